import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { traefik } from "../../../src/deployers/servers/traefik.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { plantFiles } from "../../support/pairs/plantFiles.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { servedFingerprint, storedFingerprint } from "../../support/servers/served.ts";
import { startTraefik, type Traefik } from "../../support/servers/traefik.ts";

const NEVER = new AbortController().signal;

interface Setup {
  readonly home: string;
  readonly dynamic: string;
  readonly server: Traefik;
  stop(): Promise<void>;
}

async function start(): Promise<Setup> {
  const home = await mkdtemp(join(tmpdir(), "renewd-traefik-"));
  const dynamic = join(home, "dynamic");
  await mkdir(join(home, "certs"));
  await mkdir(dynamic);
  const server = await startTraefik(dynamic);
  const stop = async (): Promise<void> => {
    await server[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  };
  return { home, dynamic, server, stop };
}

function make({ home, dynamic }: Setup, more: Record<string, unknown> = {}): Deployer {
  const options = { file: `${home}/certs/{certificate}.pem`, dynamicFile: `${dynamic}/{certificate}.yml`, ...more };
  return traefik.create(traefik.options.parse(options), dependencies("edge"));
}

deployerConformance("traefik", async () => {
  const setup = await start();
  const away = join(setup.home, "away");
  return {
    deployer: make(setup),
    // Before its first configuration it resets connections.
    served: (certificate) => servedFingerprint(setup.server.port, `${certificate}.test`).catch(() => null),
    stored: (certificate) => storedFingerprint(join(setup.home, "certs", `${certificate}.pem`)),
    plant: (planted) => plantFiles(planted, join(setup.home, "certs/conform.pem")),
    async breakDown() {
      await rename(setup.dynamic, away);
      return { code: "deploy.io", mend: () => rename(away, setup.dynamic) };
    },
    async [Symbol.asyncDispose]() {
      expect(setup.server.errors).toEqual([]);
      await setup.stop();
    },
  };
});

describe("traefik", () => {
  let setup: Setup;
  let issuer: PairIssuer;
  beforeEach(async () => {
    issuer = await createPairIssuer();
    setup = await start();
  });
  afterEach(() => setup.stop());

  const issue = (certificate: string, generation: number) => issuer.issue({ certificate, generation });
  const served = (certificate: string) => servedFingerprint(setup.server.port, `${certificate}.test`).catch(() => null);
  const deploy = async (certificate: string, generation: number, more: Record<string, unknown> = {}) => {
    const pair = await issue(certificate, generation);
    await make(setup, more).deploy({ pair, previous: null }, NEVER);
    return pair;
  };

  it("serves several certificates from files of their own", async () => {
    const pairs = await Promise.all(["www", "api"].map((certificate) => deploy(certificate, 1)));
    await expect
      .poll(() => Promise.all(["www", "api"].map(served)))
      .toEqual(pairs.map((pair) => pair.leaf.fingerprint));
    expect((await readdir(setup.dynamic)).filter((name) => !name.startsWith(".")).sort()).toEqual([
      "api.yml",
      "www.yml",
    ]);
  });

  it("has Traefik read again what an attempt wrote that died before the YAML", async () => {
    const pair = await deploy("www", 1);
    await expect.poll(() => served("www")).toBe(pair.leaf.fingerprint);
    const next = await issue("www", 2);
    const yaml = await readFile(join(setup.dynamic, "www.yml"), "utf8");
    await make(setup).deploy({ pair: next, previous: null }, NEVER);
    await expect.poll(() => served("www")).toBe(next.leaf.fingerprint);
    // Somebody's old PEM file, and Traefik led to read it.
    await writeFile(join(setup.home, "certs", "www.pem"), pair.privateKey.reveal() + pair.leafPem);
    await writeFile(join(setup.dynamic, "www.yml"), yaml);
    await expect.poll(() => served("www")).toBe(pair.leaf.fingerprint);
    await make(setup).deploy({ pair: next, previous: null }, NEVER);
    await expect.poll(() => served("www")).toBe(next.leaf.fingerprint);
  });

  it("renames the YAML also when it is as wanted, and Traefik, seeing no difference, takes no new configuration", async () => {
    const pair = await deploy("www", 1);
    await expect.poll(() => served("www")).toBe(pair.leaf.fingerprint);
    const before = setup.server.loads();
    await make(setup).deploy({ pair, previous: null }, NEVER);
    const other = await deploy("api", 1);
    await expect.poll(() => served("api")).toBe(other.leaf.fingerprint);
    expect(setup.server.loads()).toBe(before + 1);
  });

  it("writes the path Traefik knows the file by", async () => {
    await deploy("www", 1, { knownAs: "/in/container/{certificate}.pem" });
    const yaml = await readFile(join(setup.dynamic, "www.yml"), "utf8");
    expect(yaml.match(/File: (.*)/g)).toEqual(['File: "/in/container/www.pem"', 'File: "/in/container/www.pem"']);
    expect(yaml).toContain("generation 1");
    expect(yaml).not.toContain("PRIVATE KEY");
  });

  it("leaves a dynamic file alone that somebody else wrote, and touches nothing else", async () => {
    const path = join(setup.dynamic, "www.yml");
    await writeFile(path, "http: {}\n");
    const refused = { code: "deploy.refused", message: expect.stringContaining(path) };
    await expect(make(setup).preflight?.("www", null, NEVER)).rejects.toMatchObject(refused);
    await expect(deploy("www", 1)).rejects.toMatchObject(refused);
    expect(await readFile(path, "utf8")).toBe("http: {}\n");
    expect(await readdir(join(setup.home, "certs"))).toEqual([]);
  });

  it.each([
    [{ file: "/a/b.pem", dynamicFile: "/a/b.conf" }, ".yaml"],
    [{ file: "/a/b.pem" }, "dynamicFile"],
    [{ file: "b.pem", dynamicFile: "/a/b.yml" }, "absolute"],
  ])("refuses the options %j", (wrong, why) => {
    const result = traefik.options.safeParse(wrong);
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
