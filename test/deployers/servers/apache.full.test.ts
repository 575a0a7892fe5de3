import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { apache } from "../../../src/deployers/servers/apache.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { type Layout, pairPaths } from "../../support/pairs/pairDirectory.ts";
import { plantFiles } from "../../support/pairs/plantFiles.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { type Apache, startApache } from "../../support/servers/apache.ts";
import { servedFingerprint, storedFingerprint } from "../../support/servers/served.ts";

const NEVER = new AbortController().signal;

function make(server: Apache, layout: Layout, more: Record<string, unknown> = {}): Deployer {
  const { options } = pairPaths(join(server.directory, "{certificate}"), layout);
  const instance = { configFile: server.configFile, serverRoot: server.serverRoot };
  return apache.create(apache.options.parse({ ...options, ...instance, ...more }), dependencies("web"));
}

async function start(issuer: PairIssuer, names: readonly string[], layout: Layout): Promise<Apache> {
  const entries = names.map(async (name) => {
    const pair = await issuer.issue({ certificate: name, generation: 0 });
    return [name, { certPem: pair.leafPem, keyPem: pair.privateKey.reveal() }] as const;
  });
  return await startApache({ certificates: Object.fromEntries(await Promise.all(entries)), layout });
}

for (const layout of ["pair", "bundle"] as const) {
  deployerConformance(`apache (${layout})`, async (issuer) => {
    const server = await start(issuer, ["conform"], layout);
    return {
      deployer: make(server, layout),
      served: (certificate) => servedFingerprint(server.port, `${certificate}.test`),
      stored: (certificate) => storedFingerprint(...pairPaths(join(server.directory, certificate), layout).files),
      plant: (planted) => plantFiles(planted, ...pairPaths(join(server.directory, "conform"), layout).files),
      async breakDown() {
        const good = await readFile(server.configFile, "utf8");
        await writeFile(server.configFile, `${good}\nNonsense on\n`);
        return { code: "deploy.commandFailed", mend: () => writeFile(server.configFile, good) };
      },
      [Symbol.asyncDispose]: () => server.stop(),
    };
  });
}

describe("apache", () => {
  let server: Apache;
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
    server = await start(issuer, ["www", "api"], "pair");
  });
  afterAll(() => server?.stop());

  const stored = (certificate: string) =>
    storedFingerprint(...pairPaths(join(server.directory, certificate), "pair").files);

  it("puts the previous pair back when Apache refuses the configuration, and says what Apache said", async () => {
    const before = await stored("www");
    const pair = await issuer.issue({ certificate: "www", generation: 1 });
    const good = await readFile(server.configFile, "utf8");
    await writeFile(server.configFile, `${good}\nNonsense on\n`);
    try {
      await expect(make(server, "pair").deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject({
        code: "deploy.commandFailed",
        message: expect.stringMatching(
          /^`apachectl .*-t` ended with exit code 1: .*Syntax error on line \d+ of .*conf/,
        ),
      });
    } finally {
      await writeFile(server.configFile, good);
    }
    expect(await stored("www")).toBe(before);
  });

  it("swaps one virtual host's certificate and leaves the other's", async () => {
    const other = await servedFingerprint(server.port, "api.test");
    const pair = await issuer.issue({ certificate: "www", generation: 2 });
    await make(server, "pair", { binary: "apache2" }).deploy({ pair, previous: null }, NEVER);
    await expect
      .poll(() => servedFingerprint(server.port, "www.test"), { timeout: 15_000 })
      .toBe(pair.leaf.fingerprint);
    expect(await servedFingerprint(server.port, "api.test")).toBe(other);
  });

  it("survives many pairs that follow each other at once, and serves the last", async () => {
    const names = ["www", "api"];
    const last = new Map<string, string>();
    for (let generation = 10; generation < 20; generation++) {
      const pairs = await Promise.all(names.map((certificate) => issuer.issue({ certificate, generation })));
      await Promise.all(
        pairs.map((pair) => make(server, "pair", { binary: "apache2" }).deploy({ pair, previous: null }, NEVER)),
      );
      for (const pair of pairs) last.set(pair.certificate, pair.leaf.fingerprint);
    }
    for (const [name, fingerprint] of last)
      await expect.poll(() => servedFingerprint(server.port, `${name}.test`), { timeout: 15_000 }).toBe(fingerprint);
  });

  it("tells of an Apache that its reload ended", async () => {
    const torn = await start(issuer, ["torn"], "pair");
    try {
      const [, key] = pairPaths(join(torn.directory, "torn"), "pair").files;
      const [pair, other] = [
        await issuer.issue({ certificate: "torn", generation: 1 }),
        await issuer.issue({ certificate: "torn", generation: 1 }),
      ];
      // Somebody else's hand between swap and reload; Apache's configuration test says "Syntax OK" to it.
      const meddling = join(torn.serverRoot, "meddling");
      await writeFile(join(torn.serverRoot, "other.pem"), other.privateKey.reveal(), { mode: 0o600 });
      await writeFile(
        meddling,
        `#!/bin/sh\ncase "$*" in *graceful*) cp ${torn.serverRoot}/other.pem ${key};; esac\nexec apache2 "$@"\n`,
        { mode: 0o755 },
      );
      await expect(
        make(torn, "pair", { binary: meddling }).deploy({ pair, previous: null }, NEVER),
      ).rejects.toMatchObject({
        code: "deploy.commandFailed",
        message: expect.stringContaining("ended at its graceful reload"),
      });
    } finally {
      await torn.stop();
    }
  });

  it("does not start an Apache that was stopped, and keeps the pair ready for its start", async () => {
    const standby = await start(issuer, ["standby"], "bundle");
    try {
      const pair = await issuer.issue({ certificate: "standby", generation: 1 });
      const deployer = make(standby, "bundle");
      process.kill(standby.pid, "SIGTERM");
      const refused = { code: "ECONNREFUSED" };
      const now = () => servedFingerprint(standby.port, "standby.test").catch((error: unknown) => error);
      await expect.poll(now, { timeout: 15_000 }).toMatchObject(refused);
      const stopped = {
        code: "deploy.unreachable",
        message: expect.stringContaining(join(standby.serverRoot, "httpd.pid")),
      };
      await expect(deployer.preflight?.("standby", null, NEVER)).rejects.toMatchObject(stopped);
      await expect(deployer.deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject(stopped);
      expect(await now()).toMatchObject(refused);
      expect(await storedFingerprint(join(standby.directory, "standby", "bundle.pem"))).toBe(pair.leaf.fingerprint);
    } finally {
      await standby.stop();
    }
  });

  it("ends an apachectl that hangs, and puts the previous pair back", async () => {
    const before = await stored("api");
    const hanging = join(server.serverRoot, "hanging");
    await writeFile(hanging, "#!/bin/sh\nsleep 600\n", { mode: 0o755 });
    const pair = await issuer.issue({ certificate: "api", generation: 99 });
    const deployer = make(server, "pair", { binary: hanging, timeout: "300ms" });
    await expect(deployer.deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject({ code: "deploy.timeout" });
    expect(await stored("api")).toBe(before);
  });
});
