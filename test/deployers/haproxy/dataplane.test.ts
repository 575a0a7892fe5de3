import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { pairPem } from "../../../src/deployers/base/pairPem.ts";
import { haproxyDataplane } from "../../../src/deployers/haproxy/dataplane.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { DH_PARAMETERS } from "../../support/pairs/dhParameters.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { KEY_SPELLINGS } from "../../support/pairs/keySpellings.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { type DataplaneFake, startDataplane } from "../../support/servers/dataplane.ts";
import { servedFingerprint } from "../../support/servers/served.ts";

const NEVER = new AbortController().signal;
const PASSWORD = "planted-password";

function make({ url }: { readonly url: string }, more: Record<string, unknown> = {}): Deployer {
  const options = haproxyDataplane.options.parse({
    url,
    username: "admin",
    password: "env:PASSWORD",
    timeout: "5s",
    ...more,
  });
  return haproxyDataplane.create(options, dependencies("lb", { PASSWORD, WRONG: "wrong-password" }));
}

deployerConformance("haproxy-dataplane", async () => {
  const fake = await startDataplane("admin", PASSWORD);
  return {
    deployer: make(fake),
    served: (certificate) => servedFingerprint(fake.port, `${certificate}.test`).catch(() => null),
    async stored(certificate) {
      const pem = fake.certificates.get(`${certificate}.pem`);
      return pem === undefined ? null : readLeaf(pem.slice(pem.indexOf("-----BEGIN CERTIFICATE"))).fingerprint;
    },
    repeats(text, inErrorText) {
      const restore = fake.snapshot();
      const faults = inErrorText
        ? { pushFails: true, reloadFails: true, reloadResponse: text }
        : { storeRefusal: text };
      Object.assign(fake.faults, faults);
      return () => {
        for (const name of Object.keys(faults)) Reflect.deleteProperty(fake.faults, name);
        restore();
      };
    },
    keyHidden: true,
    plant: async (planted) => fake.plant("conform.pem", planted && planted.keyPem + planted.certPem),
    async breakDown() {
      Object.assign(fake.faults, { pushFails: true, reloadFails: true });
      const mend = async (): Promise<void> => {
        Object.assign(fake.faults, { pushFails: false, reloadFails: false });
      };
      return { code: "deploy.commandFailed", mend };
    },
    [Symbol.asyncDispose]: () => fake[Symbol.asyncDispose](),
  };
});

describe("haproxy-dataplane", () => {
  let fake: DataplaneFake;
  let issuer: PairIssuer;
  beforeEach(async () => {
    issuer = await createPairIssuer();
    fake = await startDataplane("admin", PASSWORD);
  });
  afterEach(() => fake?.[Symbol.asyncDispose]());

  const served = (certificate: string) => servedFingerprint(fake.port, `${certificate}.test`);
  const deploy = async (
    certificate: string,
    generation: number,
    more: Record<string, unknown> = {},
    at: { readonly url: string } = fake,
  ) => {
    const pair = await issuer.issue({ certificate, generation });
    await make(at, more).deploy({ pair, previous: null }, NEVER);
    return pair;
  };
  const CERTIFICATES = "/v3/services/haproxy/storage/ssl_certificates";
  const GENERAL = "/v3/services/haproxy/storage/general";

  it("reloads once for a new certificate, never for the next generation, and keeps the generation first", async () => {
    await deploy("www", 1);
    const pair = await deploy("www", 2);
    expect(await served("www")).toBe(pair.leaf.fingerprint);
    expect(fake.calls).toEqual([
      `GET ${GENERAL}/renewd-www_pem.json 404`,
      `GET ${CERTIFICATES}/www.pem 404`,
      `POST ${GENERAL} 201`,
      `POST ${CERTIFICATES}?force_reload=true 201`,
      `GET ${GENERAL}/renewd-www_pem.json 200`,
      `GET ${CERTIFICATES}/www.pem 200`,
      `PUT ${GENERAL}/renewd-www_pem.json?skip_reload=true 204`,
      `PUT ${CERTIFICATES}/www.pem 200`,
    ]);
  });

  it("loses no DH parameters: those it cannot see are refused, those it is given are stored each time", async () => {
    const theirs = await issuer.issue({ certificate: "www", generation: 0 });
    fake.plant("www.pem", theirs.privateKey.reveal() + theirs.leafPem + DH_PARAMETERS);
    const refusal = { code: "deploy.refused", message: expect.stringMatching(/not written by renewd.*dhParameters/) };
    await expect(deploy("www", 1)).rejects.toMatchObject(refusal);
    await expect(make(fake).preflight?.("www", null, NEVER)).rejects.toMatchObject(refusal);
    expect(fake.certificates.get("www.pem")).toContain(DH_PARAMETERS);
    const directory = await mkdtemp(join(tmpdir(), "renewd-dh-"));
    onTestFinished(() => rm(directory, { recursive: true }));
    const dhParameters = join(directory, "dh.pem");
    await writeFile(dhParameters, DH_PARAMETERS);
    for (const generation of [1, 2]) {
      const pair = await deploy("www", generation, { dhParameters });
      expect(fake.certificates.get("www.pem")).toBe(pairPem(pair).bundle + DH_PARAMETERS);
    }
    // Without the option again: what renewd stored itself is known by its length.
    const pair = await deploy("www", 3);
    fake.plant("www.pem", pairPem(pair).bundle + DH_PARAMETERS);
    await expect(deploy("www", 4)).rejects.toMatchObject({ message: expect.stringContaining("was changed after") });
    await deploy("www", 4, { adopt: true });
  });

  it("waits for the reload where HAProxy's memory cannot be written", async () => {
    await deploy("www", 1);
    fake.faults.pushFails = true;
    const pair = await deploy("www", 2);
    expect(await served("www")).toBe(pair.leaf.fingerprint);
    expect(fake.calls.at(-1)).toMatch(/^GET \/v3\/services\/haproxy\/reloads\/\S+ 200$/);
  });

  it("says why HAProxy did not reload", async () => {
    fake.faults.reloadFails = true;
    await expect(deploy("www", 1)).rejects.toMatchObject({
      code: "deploy.unreachable",
      message: expect.stringContaining("Reload failed"),
    });
    fake.faults.pushFails = true;
    await expect(deploy("www", 2)).rejects.toMatchObject({
      code: "deploy.commandFailed",
      message: expect.stringContaining("exit status 1"),
    });
  });

  it("shows nothing of a reload's report that repeats the key, in whatever spelling only the key reveals", async () => {
    await deploy("www", 1);
    Object.assign(fake.faults, { pushFails: true, reloadFails: true });
    const pair = await issuer.issue({ certificate: "www", generation: 2 });
    const bytes = KEY_SPELLINGS["hex, escaped"]?.(pair.privateKey.reveal(), 0) ?? expect.unreachable();
    fake.faults.reloadResponse = `cannot load ${bytes}`;
    await expect(make(fake).deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject({
      code: "deploy.commandFailed",
      message: expect.stringMatching(/did not reload: \[not shown: it repeats a private key\]$/),
    });
  });

  it("names files as the API does, so that two certificates never share one unnoticed", async () => {
    const pair = await deploy("a.b", 1);
    expect([...fake.certificates.keys()]).toEqual(["a_b.pem"]);
    expect(await served("a.b")).toBe(pair.leaf.fingerprint);
    const options = haproxyDataplane.options.parse({ url: fake.url, username: "admin", password: "env:PASSWORD" });
    expect(haproxyDataplane.occupies?.(options, "a.b")).toEqual(haproxyDataplane.occupies?.(options, "a_b"));
    expect(haproxyDataplane.occupies?.(options, "a.b")).not.toEqual(haproxyDataplane.occupies?.(options, "a-b"));
  });

  it.each([
    [{ status: 403 }, "deploy.forbidden", null],
    [{ status: 429, headers: { "retry-after": "60" } }, "deploy.rateLimited", 60_000],
    [{ status: 503 }, "deploy.unreachable", null],
    [{ status: 400, body: `{"message":"no ${PASSWORD} here"}` }, "deploy.refused", null],
  ] as const)("tells an answer %j apart as %s", async (answer, code, waitMs) => {
    fake.faults.answer = answer;
    const before = Date.now();
    const thrown = await deploy("www", 1).catch((error: unknown) => error);
    expect(thrown).toMatchObject({ code, message: expect.stringContaining(fake.url) });
    expect(thrown).toMatchObject({
      retryAt:
        waitMs === null ? null : expect.toSatisfy((at: number) => at >= before + waitMs && at <= Date.now() + waitMs),
    });
    expect(String(thrown)).not.toContain(PASSWORD);
    await expect(make(fake).preflight?.("www", null, NEVER)).rejects.toMatchObject({ code });
    expect(fake.certificates.size).toBe(0);
  });

  it("distinguishes a wrong password, a missing one, no server and no answer", async () => {
    const hanging = createServer((socket) => socket.on("error", () => undefined)).listen(0, "127.0.0.1");
    await new Promise((resolve) => hanging.once("listening", resolve));
    // Boundary: a TCP server has such an address.
    const silent = { url: `http://127.0.0.1:${(hanging.address() as AddressInfo).port}` };
    try {
      await expect(deploy("www", 1, { password: "env:WRONG" })).rejects.toMatchObject({ code: "deploy.forbidden" });
      await expect(deploy("www", 1, { password: "env:MISSING" })).rejects.toMatchObject({ code: "config.secret" });
      await expect(deploy("www", 1, { timeout: "200ms" }, silent)).rejects.toMatchObject({ code: "deploy.timeout" });
    } finally {
      hanging.closeAllConnections();
      await new Promise((resolve) => hanging.close(resolve));
    }
    await expect(deploy("www", 1, {}, silent)).rejects.toMatchObject({ code: "deploy.unreachable" });
  });

  it("says which file holds the newer generation when it refuses an older pair", async () => {
    await deploy("www", 7);
    await expect(deploy("www", 6)).rejects.toMatchObject({
      code: "deploy.newerGeneration",
      message: expect.stringContaining("renewd-www_pem.json"),
    });
  });

  it.each([
    [{ url: "https://lb:5555/v3" }, "host and port only"],
    [{ url: "ftp://lb" }, "url"],
    [{ username: "a:b" }, "colon"],
    [{ password: "hunter2" }, "env:NAME"],
    [{ certificate: "a/b.pem" }, "slash"],
  ])("refuses the options %j", (wrong, why) => {
    const result = haproxyDataplane.options.safeParse({
      url: "https://lb:5555",
      username: "admin",
      password: "env:P",
      ...wrong,
    });
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
