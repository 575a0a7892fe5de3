import { chown, copyFile, mkdir, rename, rm, stat, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { postgresql } from "../../../src/deployers/servers/postgresql.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { type Layout, pairPaths } from "../../support/pairs/pairDirectory.ts";
import { plantFiles } from "../../support/pairs/plantFiles.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { type Postgres, startPostgres } from "../../support/servers/postgres.ts";
import { servedByPostgres, storedFingerprint } from "../../support/servers/served.ts";

const NEVER = new AbortController().signal;

function make(server: Postgres, layout: Layout, more: Record<string, unknown> = {}): Deployer {
  const options = { ...pairPaths(server.tlsDirectory, layout).options, dataDirectory: server.dataDirectory, ...more };
  return postgresql.create(postgresql.options.parse(options), dependencies("database"));
}

async function start(issuer: PairIssuer, layout: Layout): Promise<Postgres> {
  const pair = await issuer.issue({ certificate: "before", generation: 0 });
  return await startPostgres({ tls: { pair: { certPem: pair.leafPem, keyPem: pair.privateKey.reveal() }, layout } });
}

/** As a data directory looks while no server runs on it. PostgreSQL itself ends when it misses its own pid file. */
async function stoppedDirectory(server: Postgres): Promise<string> {
  const directory = join(server.tlsDirectory, "stopped");
  await rm(directory, { recursive: true, force: true });
  await mkdir(directory);
  const owner = await stat(server.dataDirectory);
  await copyFile(join(server.dataDirectory, "PG_VERSION"), join(directory, "PG_VERSION"));
  await chown(join(directory, "PG_VERSION"), owner.uid, owner.gid);
  return directory;
}

for (const layout of ["pair", "bundle"] as const) {
  deployerConformance(`postgresql (${layout})`, async (issuer) => {
    const server = await start(issuer, layout);
    const current = join(dirname(server.dataDirectory), "current");
    const point = async (directory: string): Promise<void> => {
      await symlink(directory, `${current}.new`);
      await rename(`${current}.new`, current);
    };
    await point(server.dataDirectory);
    return {
      deployer: make(server, layout, { dataDirectory: current }),
      served: () => servedByPostgres(server.port, "db.test"),
      stored: () => storedFingerprint(...pairPaths(server.tlsDirectory, layout).files),
      plant: (planted) => plantFiles(planted, ...pairPaths(server.tlsDirectory, layout).files),
      async breakDown() {
        await point(await stoppedDirectory(server));
        return { code: "deploy.unreachable", mend: () => point(server.dataDirectory) };
      },
      [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
    };
  });
}

describe("postgresql", () => {
  let issuer: PairIssuer;
  let server: Postgres;
  beforeAll(async () => {
    issuer = await createPairIssuer("rsa-2048");
    server = await start(issuer, "pair");
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  it("gives the key to root and the server's group where options say so, and refuses what PostgreSQL refuses", async () => {
    const key = join(server.tlsDirectory, "privkey.pem");
    const { uid, gid } = await stat(server.dataDirectory);
    const pair = await issuer.issue({ certificate: "given", generation: 1 });
    await make(server, "pair", { owner: "root", mode: "0640" }).deploy({ pair, previous: null }, NEVER);
    const given = await stat(key);
    expect([given.uid, given.gid, given.mode & 0o777]).toEqual([0, gid, 0o640]);
    expect(uid).not.toBe(0);
    const wide = make(server, "pair", { mode: "0640" });
    const refusal = {
      code: "deploy.refused",
      message: expect.stringContaining("PostgreSQL refuses a key with mode 0640"),
    };
    await expect(wide.deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject(refusal);
    await expect(wide.preflight?.("given", null, NEVER)).rejects.toMatchObject(refusal);
  });

  it("makes the key the server's own, readable by nobody else, whatever it was before", async () => {
    const key = join(server.tlsDirectory, "privkey.pem");
    await chown(key, process.getuid?.() ?? -1, process.getgid?.() ?? -1);
    const pair = await issuer.issue({ certificate: "db", generation: 1 });
    await make(server, "pair").deploy({ pair, previous: null }, NEVER);
    const [now, data] = [await stat(key), await stat(server.dataDirectory)];
    expect({ mode: now.mode & 0o7777, uid: now.uid, gid: now.gid }).toEqual({
      mode: 0o600,
      uid: data.uid,
      gid: data.gid,
    });
    await expect.poll(() => servedByPostgres(server.port, "db.test"), { timeout: 15_000 }).toBe(pair.leaf.fingerprint);
  });

  it("tells a directory that holds no database, and a server that does not run", async () => {
    await expect(
      make(server, "pair", { dataDirectory: server.tlsDirectory }).preflight?.("db", null, NEVER),
    ).rejects.toMatchObject({
      code: "deploy.io",
      message: expect.stringContaining("PG_VERSION"),
    });
    await expect(
      make(server, "pair", { dataDirectory: await stoppedDirectory(server) }).preflight?.("db", null, NEVER),
    ).rejects.toMatchObject({
      code: "deploy.unreachable",
      message: expect.stringContaining("postmaster.pid"),
    });
  });

  it("lets a first pair be prepared for a server that waits for it", async () => {
    const pair = await issuer.issue({ certificate: "new", generation: 1 });
    const paths = {
      fullchain: join(server.tlsDirectory, "{certificate}.crt"),
      privkey: join(server.tlsDirectory, "{certificate}.key"),
    };
    const deployer = make(server, "pair", { ...paths, dataDirectory: await stoppedDirectory(server) });
    await expect(deployer.preflight?.("new", null, NEVER)).resolves.toBeUndefined();
    await expect(deployer.deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject({
      code: "deploy.unreachable",
    });
    expect(await storedFingerprint(join(server.tlsDirectory, "new.crt"), join(server.tlsDirectory, "new.key"))).toBe(
      pair.leaf.fingerprint,
    );
  });
});
