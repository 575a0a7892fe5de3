import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { pairPem } from "../../../src/deployers/base/pairPem.ts";
import { haproxy } from "../../../src/deployers/haproxy/haproxy.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { DH_PARAMETERS } from "../../support/pairs/dhParameters.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { type Haproxy, startHaproxy } from "../../support/servers/haproxy.ts";
import { servedFingerprint, storedFingerprint } from "../../support/servers/served.ts";

const NEVER = new AbortController().signal;

function make(options: Record<string, unknown>): Deployer {
  return haproxy.create(haproxy.options.parse(options), dependencies("lb"));
}

describe("haproxy", () => {
  let server: Haproxy;
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
    server = await startHaproxy();
  });
  afterAll(() => server?.stop());

  const options = (more: Record<string, unknown> = {}) => ({
    socket: server.socket,
    file: `${server.directory}/{certificate}.pem`,
    ...more,
  });
  const served = (certificate: string) => servedFingerprint(server.port, `${certificate}.test`);
  const deploy = async (certificate: string, generation: number, more: Record<string, unknown> = {}) => {
    const pair = await issuer.issue({ certificate, generation });
    await make(options(more)).deploy({ pair, previous: null }, NEVER);
    return pair;
  };

  it("swaps under a continuous client without one failed handshake, and its reload serves the last pair", async () => {
    let last = await deploy("busy", 1);
    const expected = new Set([last.leaf.fingerprint]);
    let swapping = true;
    let handshakes = 0;
    const failures: unknown[] = [];
    const clients = [1, 2].map(async () => {
      for (; swapping; handshakes++) {
        const seen = await served("busy").catch((error: unknown) => error);
        if (typeof seen !== "string" || !expected.has(seen)) failures.push(seen);
      }
    });
    for (let generation = 2; generation <= 9; generation++) {
      const pair = await issuer.issue({ certificate: "busy", generation });
      expected.add(pair.leaf.fingerprint);
      await make(options()).deploy({ pair, previous: null }, NEVER);
      // Every connection opened after the deploy sees the new pair.
      expect(await served("busy")).toBe(pair.leaf.fingerprint);
      last = pair;
    }
    await server.reload();
    swapping = false;
    await Promise.all(clients);
    expect(failures).toEqual([]);
    expect(handshakes).toBeGreaterThan(20);
    expect(await served("busy")).toBe(last.leaf.fingerprint);
  });

  it("adds a certificate that is new to HAProxy to the bind's directory without a reload", async () => {
    const pair = await deploy("newcomer", 1);
    expect(await served("newcomer")).toBe(pair.leaf.fingerprint);
    await server.reload();
    expect(await served("newcomer")).toBe(pair.leaf.fingerprint);
  });

  it("says what to do about a certificate no bind can serve yet, and serves it once that is done", async () => {
    await using other = await startHaproxy();
    const deployer = make(options({ file: `${other.directory}/{certificate}.pem` }));
    const pair = await issuer.issue({ certificate: "stranger", generation: 1 });
    await expect(deployer.deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringMatching(/bind's `crt`.*reload/),
    });
    expect(await storedFingerprint(join(other.directory, "stranger.pem"))).toBe(pair.leaf.fingerprint);
  });

  it("deploys several certificates at once, although HAProxy has one transaction for all", async () => {
    const names = ["alpha", "beta", "gamma", "delta", "epsilon"];
    for (let generation = 1; generation <= 3; generation++) {
      const pairs = await Promise.all(names.map((certificate) => deploy(certificate, generation)));
      expect(await Promise.all(names.map(served))).toEqual(pairs.map((pair) => pair.leaf.fingerprint));
    }
  });

  it("deploys several at once through targets that keep their files in different directories", async () => {
    const elsewhere = await mkdtemp(join(tmpdir(), "renewd-elsewhere-"));
    onTestFinished(() => rm(elsewhere, { recursive: true }));
    const names = ["one", "two", "three", "four", "five", "six"];
    for (const name of names) await deploy(name, 1);
    const other = { file: `${elsewhere}/{certificate}.pem`, knownAs: `${server.directory}/{certificate}.pem` };
    for (let generation = 2; generation <= 4; generation++) {
      const pairs = await Promise.all(
        names.map((name, index) => deploy(name, generation, index % 2 === 0 ? {} : other)),
      );
      expect(await Promise.all(names.map(served))).toEqual(pairs.map((pair) => pair.leaf.fingerprint));
    }
  });

  it("does not commit a transaction somebody left open for another certificate", async () => {
    const [left, right] = [await deploy("left", 1), await deploy("right", 1)];
    const stray = await issuer.issue({ certificate: "left", generation: 2 });
    await server.runtime(
      `set ssl cert ${server.directory}/left.pem ` +
        `<<\n${(stray.privateKey.reveal() + stray.leafPem).replace(/\n+/g, "\n")}\n`,
    );
    const next = await deploy("right", 2);
    expect(await served("left")).toBe(left.leaf.fingerprint);
    expect(await served("right")).toBe(next.leaf.fingerprint);
    expect(next.leaf.fingerprint).not.toBe(right.leaf.fingerprint);
  });

  it("updates memory after a restart from an older file, and the file when only memory is new", async () => {
    const [old, pair] = [await deploy("twice", 1), await issuer.issue({ certificate: "twice", generation: 2 })];
    const path = join(server.directory, "twice.pem");
    const oldFile = await readFile(path, "utf8");
    const deployer = make(options());
    await deployer.deploy({ pair, previous: null }, NEVER);
    await writeFile(path, oldFile);
    await deployer.deploy({ pair, previous: null }, NEVER);
    expect(await storedFingerprint(path)).toBe(pair.leaf.fingerprint);
    await writeFile(path, oldFile);
    await server.reload();
    expect(await served("twice")).toBe(old.leaf.fingerprint);
    await deployer.deploy({ pair, previous: null }, NEVER);
    expect(await served("twice")).toBe(pair.leaf.fingerprint);
  });

  it("finds in an inspection that memory and file differ, whichever of them is wrong", async () => {
    const old = await deploy("differs", 1);
    const path = join(server.directory, "differs.pem");
    const oldFile = await readFile(path, "utf8");
    const pair = await deploy("differs", 2);
    const newFile = await readFile(path, "utf8");
    const inspect = () => make(options()).inspect?.({ certificate: "differs", previous: null }, NEVER);
    const heals = async (): Promise<void> => {
      await make(options()).deploy({ pair, previous: null }, NEVER);
      expect(await inspect()).toEqual({
        fingerprint: pair.leaf.fingerprint,
        keyMatches: true,
        chain: [expect.stringMatching(/^[0-9a-f]{64}$/)],
        problems: [],
      });
    };
    const problems = [expect.stringContaining("another certificate in memory")];
    await writeFile(path, oldFile);
    expect(await served("differs")).toBe(pair.leaf.fingerprint);
    expect(await inspect()).toMatchObject({ fingerprint: old.leaf.fingerprint, problems });
    await heals();
    await server.runtime(`set ssl cert ${path} <<\n${oldFile.replace(/\n+/g, "\n")}\n`);
    await server.runtime(`commit ssl cert ${path}`);
    expect(await served("differs")).toBe(old.leaf.fingerprint);
    expect(await readFile(path, "utf8")).toBe(newFile);
    expect(await inspect()).toMatchObject({ fingerprint: pair.leaf.fingerprint, problems });
    await heals();
  });

  it("says which other file HAProxy serves for a name of the pair", async () => {
    const old = await issuer.issue({ certificate: "twice", generation: 1 });
    const held = { certPem: old.leafPem, keyPem: old.privateKey.reveal() };
    await using other = await startHaproxy({ certificates: { "00z-forgotten": held } });
    const deployer = make({ socket: other.socket, file: `${other.directory}/{certificate}.pem` });
    const pair = await issuer.issue({ certificate: "twice", generation: 2 });
    const { note } = await deployer.deploy({ pair, previous: null }, NEVER);
    expect(note).toMatch(/also serves \S+00z-forgotten\.pem \(serial [0-9A-F]+\) for twice\.test and may prefer it/);
    expect((await deployer.deploy({ pair, previous: null }, NEVER)).note).toBe(note);
  });

  it("keeps the DH parameters of the file through a renewal, a second one and a reload", async () => {
    const first = await deploy("params", 1);
    const path = join(server.directory, "params.pem");
    await writeFile(path, `${await readFile(path, "utf8")}\n${DH_PARAMETERS}`);
    for (const generation of [2, 3]) {
      const pair = await deploy("params", generation);
      expect(pair.leaf.fingerprint).not.toBe(first.leaf.fingerprint);
      expect(await served("params")).toBe(pair.leaf.fingerprint);
      expect(await readFile(path, "utf8")).toBe(`${pairPem(pair).bundle}${DH_PARAMETERS}`);
    }
    await server.reload();
    expect(await served("params")).toBe(await storedFingerprint(path));
  });

  it("changes neither memory nor file when HAProxy refuses the payload", async () => {
    const serving = await deploy("fragile", 1);
    const pair = await issuer.issue({ certificate: "fragile", generation: 2 });
    const broken = { ...pair, chainPem: ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] };
    await expect(make(options()).deploy({ pair: broken, previous: null }, NEVER)).rejects.toMatchObject({
      code: "deploy.refused",
    });
    expect(await served("fragile")).toBe(serving.leaf.fingerprint);
    expect(await storedFingerprint(join(server.directory, "fragile.pem"))).toBe(serving.leaf.fingerprint);
    expect(await server.runtime("show ssl cert")).not.toContain("# transaction");
    await server.reload();
    expect(await served("fragile")).toBe(serving.leaf.fingerprint);
  });

  it("says when a chain is larger than HAProxy's buffer, and changes nothing", async () => {
    const serving = await deploy("bulky", 1);
    const pair = await issuer.issue({ certificate: "bulky", generation: 2 });
    const bulky = { ...pair, chainPem: Array.from({ length: 60 }, () => pair.chainPem[0] ?? "") };
    await expect(make(options({ timeout: "3s" })).deploy({ pair: bulky, previous: null }, NEVER)).rejects.toMatchObject(
      {
        code: "deploy.refused",
        message: expect.stringContaining("tune.bufsize"),
      },
    );
    expect(await served("bulky")).toBe(serving.leaf.fingerprint);
  });

  it("names its own files in HAProxy's directory with a dot in front", async () => {
    await deploy("tidy", 1);
    const strange = (await readdir(server.directory)).filter((name) => !name.startsWith(".") && !name.endsWith(".pem"));
    expect(strange).toEqual([]);
  });

  it("names the permission a socket below level admin lacks, in preflight and deploy", async () => {
    const deployer = make(options({ socket: server.userSocket }));
    const pair = await issuer.issue({ certificate: "humble", generation: 1 });
    const forbidden = { code: "deploy.forbidden", message: expect.stringContaining("level admin") };
    await expect(deployer.preflight?.("humble", null, NEVER)).rejects.toMatchObject(forbidden);
    await expect(deployer.deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject(forbidden);
    expect(await readdir(server.directory)).not.toContain("humble.pem");
  });

  it("names an absent socket, and touches no file", async () => {
    const deployer = make(options({ socket: "/run/no-such-haproxy.sock" }));
    const pair = await issuer.issue({ certificate: "absent", generation: 1 });
    const unreachable = { code: "deploy.unreachable", message: expect.stringContaining("/run/no-such-haproxy.sock") };
    await expect(deployer.preflight?.("absent", null, NEVER)).rejects.toMatchObject(unreachable);
    await expect(deployer.deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject(unreachable);
    expect(await readdir(server.directory)).not.toContain("absent.pem");
  });

  it("stops waiting for a socket that never answers", async () => {
    const held: Socket[] = [];
    const hanging = createServer((socket) => held.push(socket.on("error", () => undefined)));
    const path = join(server.directory, ".hanging.sock");
    await new Promise<void>((resolve) => hanging.listen(path, resolve));
    try {
      const pair = await issuer.issue({ certificate: "patient", generation: 1 });
      await expect(
        make(options({ socket: path, timeout: "200ms" })).deploy({ pair, previous: null }, NEVER),
      ).rejects.toMatchObject({
        code: "deploy.timeout",
        message: expect.stringContaining(path),
      });
    } finally {
      for (const socket of held) socket.destroy();
      await new Promise((resolve) => hanging.close(resolve));
      await rm(path, { force: true });
    }
  });
});
