import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { f5BigIp } from "../../../src/deployers/f5/bigIp.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { toRenewalError } from "../../../src/domain/errors.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { splitPem } from "../../../src/x509/pem.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { type F5Fake, startF5Fake } from "../../support/fakes/f5.ts";
import { heldFingerprint } from "../../support/pairs/heldPair.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";

const NEVER = new AbortController().signal;
const PROFILE = "/Common/www-clientssl";
let directory = "";

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-f5-"));
});
afterAll(() => rm(directory, { recursive: true }));

async function make(fake: F5Fake, more: Record<string, unknown> = {}): Promise<Deployer> {
  const trust = join(directory, `ca-${fake.port}.pem`);
  await writeFile(trust, fake.ca ?? "");
  const options = f5BigIp.options.parse({
    address: fake.origin,
    user: fake.user,
    password: "env:F5_PASSWORD",
    profile: "/Common/{certificate}-clientssl",
    trust,
    ...more,
  });
  return f5BigIp.create(options, dependencies("balancer", { F5_PASSWORD: fake.password, WRONG: "wrong-password" }));
}

async function withOldProfile(issuer: PairIssuer, name: string): Promise<F5Fake> {
  const fake = await startF5Fake();
  const old = await issuer.issue({ certificate: "old", generation: 1 });
  fake.addProfile(name, [{ certPem: old.leafPem, keyPem: old.privateKey.reveal() }]);
  return fake;
}

for (const keyType of ["ecdsa-p256", "rsa-2048"] as const) {
  deployerConformance(
    `f5-bigip (${keyType})`,
    async (issuer) => {
      const fake = await withOldProfile(issuer, "/Common/conform-clientssl");
      const held = async (certificate: string, which: "running" | "saved"): Promise<string | null> => {
        const [pair] = fake.pairs(`/Common/${certificate}-clientssl`, which);
        return heldFingerprint(pair?.certificate, pair?.key);
      };
      return {
        deployer: await make(fake),
        served: (certificate) => held(certificate, "running"),
        stored: (certificate) => held(certificate, "saved"),
        keyHidden: true,
        async plant(planted) {
          const [leaf = null] = splitPem(planted?.certPem ?? "");
          fake.use("/Common/conform-clientssl", leaf);
        },
        fallSilent: () => fake.fallSilent("PATCH /mgmt/tm/transaction"),
        repeats(text, inErrorText) {
          fake.disturbAlways("POST /mgmt/shared/file-transfer", {
            status: 400,
            body: inErrorText ? { code: 400, message: text, errorStack: [text] } : text,
          });
          return fake.calm;
        },
        async breakDown() {
          fake.disturbAlways("PATCH /mgmt/tm/transaction", {
            status: 500,
            body: { code: 500, message: "mcpd is busy" },
          });
          return { code: "deploy.unreachable", mend: async () => fake.calm() };
        },
        [Symbol.asyncDispose]: () => fake.stop(),
      };
    },
    keyType,
  );
}

describe("f5-bigip", () => {
  let fake: F5Fake;
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
  });
  beforeEach(async () => {
    fake = await withOldProfile(issuer, PROFILE);
  });
  afterEach(() => fake.stop());

  const issue = (generation: number, certificate = "www") => issuer.issue({ certificate, generation });
  const deploy = async (pair: IssuedCertificate, more: Record<string, unknown> = {}) =>
    await (await make(fake, more)).deploy({ pair, previous: null }, NEVER);

  it("finds in an inspection that its objects were overwritten, and asks for a person", async () => {
    const [old, pair] = [await issue(1), await issue(2)];
    const deployer = await make(fake);
    const previous = await deployer.deploy({ pair, previous: null }, NEVER);
    fake.overwrite(PROFILE, { certPem: old.leafPem, keyPem: old.privateKey.reveal() });
    expect(await deployer.inspect?.({ certificate: "www", previous }, NEVER)).toEqual({
      fingerprint: old.leaf.fingerprint,
      keyMatches: null,
      chain: [readLeaf(issuer.intermediate.certPem).fingerprint],
      problems: [],
    });
    await expect(deployer.deploy({ pair, previous }, NEVER)).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining(`uses ${previous.certificate}, which somebody overwrote`),
    });
  });

  it("replaces the profile's certificate with the same kind of key, chain included, and saves", async () => {
    const pair = await issue(1);
    const name = `/Common/renewd_www_g1_${pair.leaf.fingerprint.slice(0, 16)}`;
    expect(await deploy(pair)).toEqual({
      profile: PROFILE,
      certificate: `${name}.crt`,
      generation: 1,
      fingerprint: pair.leaf.fingerprint,
      chain: readLeaf(issuer.intermediate.certPem).fingerprint,
    });
    expect(fake.entries(PROFILE)).toEqual([
      { name: "old0", cert: `${name}.crt`, key: `${name}.key`, chain: `${name}.chain.crt` },
    ]);
    expect(fake.pairs(PROFILE, "saved")[0]?.chain).toBe(pair.chainPem.join(""));
  });

  it("leaves the certificate with the other kind of key in the profile", async () => {
    const rsa = await (await createPairIssuer("rsa-2048")).issue({ certificate: "www-rsa", generation: 1 });
    await deploy(rsa, { profile: PROFILE });
    const pair = await issue(1);
    await deploy(pair);
    const fingerprints = fake
      .pairs(PROFILE, "running")
      .map(({ certificate, key }) => heldFingerprint(certificate, key));
    expect(fingerprints.sort()).toEqual([rsa.leaf.fingerprint, pair.leaf.fingerprint].sort());
  });

  it("replaces its own certificate when the key type changes", async () => {
    await deploy(await issue(1));
    const rsa = await (await createPairIssuer("rsa-2048")).issue({ certificate: "www", generation: 2 });
    await deploy(rsa);
    expect(fake.entries(PROFILE)).toHaveLength(1);
  });

  it("leaves neither keys in the upload directory nor tokens, also after a failure", async () => {
    await deploy(await issue(1));
    fake.disturb("PATCH /mgmt/tm/transaction", { status: 500, body: "" });
    await expect(deploy(await issue(2))).rejects.toMatchObject({ code: "deploy.unreachable" });
    expect([...fake.uploads.keys()]).toEqual([]);
    expect([...fake.openTokens]).toEqual([]);
  });

  it("creates no objects when the transaction fails, and none twice", async () => {
    const before = fake.objects();
    fake.disturb("PATCH /mgmt/tm/transaction", {
      status: 400,
      body: { code: 400, message: "01070734:3: Configuration error" },
    });
    const pair = await issue(1);
    await expect(deploy(pair)).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("Configuration error"),
    });
    expect(fake.objects()).toEqual(before);
    await deploy(pair);
    fake.addProfile(PROFILE, [{ certPem: pair.leafPem, keyPem: pair.privateKey.reveal() }]);
    await deploy(pair);
    expect(fake.objects().filter((name) => name.includes("_g1_"))).toHaveLength(3);
  });

  it("saves again after an attempt that may not have saved", async () => {
    const pair = await issue(1);
    fake.disturb("POST /mgmt/tm/sys/config", { status: 500, body: "" });
    await expect(deploy(pair)).rejects.toMatchObject({ code: "deploy.unreachable" });
    await deploy(pair);
    expect(heldFingerprint(fake.pairs(PROFILE, "saved")[0]?.certificate, fake.pairs(PROFILE, "saved")[0]?.key)).toBe(
      pair.leaf.fingerprint,
    );
  });

  it("removes generations before the previous one, but what another profile uses stays", async () => {
    const generations = (): string[] => [...new Set(fake.objects().flatMap((name) => /_g(\d)_/.exec(name)?.[1] ?? []))];
    for (const generation of [1, 2, 3]) await deploy(await issue(generation));
    expect(generations()).toEqual(["2", "3"]);
    fake.addProfileOf("/Common/other", fake.entries(PROFILE));
    for (const generation of [4, 5]) await deploy(await issue(generation));
    expect(generations()).toEqual(["3", "4", "5"]);
    expect(fake.objects()).toContain("/Common/old0.crt");
  });

  it("refuses a profile that serves another certificate of renewd's with the same kind of key", async () => {
    await deploy(await issue(5, "shop"), { profile: PROFILE });
    await expect(deploy(await issue(9))).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("certificate shop"),
    });
  });

  it("synchronises the configured device group", async () => {
    await deploy(await issue(1), { deviceGroup: "pair-a" });
    expect(fake.synchronised).toEqual(["config-sync to-group pair-a"]);
  });

  it("says in preflight that the profile is missing, touching nothing", async () => {
    const missing = await make(fake, { profile: "/Common/missing" });
    await expect(missing.preflight?.("www", null, NEVER)).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("/Common/missing"),
    });
    expect(fake.requests.filter((line) => !line.startsWith("GET") && !line.includes("auth"))).toEqual([]);
  });

  it("says when the password is refused, without showing it", async () => {
    const error = await deploy(await issue(1), { password: "env:WRONG" }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "deploy.forbidden" });
    expect(inspect(error, { depth: 10 })).not.toContain("wrong-password");
    await expect(deploy(await issue(1), { password: "env:MISSING" })).rejects.toMatchObject({ code: "config.secret" });
  });

  it("trusts no management interface but by its CA", async () => {
    await expect(deploy(await issue(1), { trust: undefined })).rejects.toMatchObject({
      code: "deploy.unreachable",
      message: expect.stringMatching(/certificate/),
    });
    expect(fake.requests).toEqual([]);
  });

  it("obeys a Retry-After, and distinguishes an interface that does not answer from one that is not there", async () => {
    fake.disturb("POST /mgmt/shared/authn", { status: 503, body: "", headers: { "retry-after": "60" } });
    const error = toRenewalError(await deploy(await issue(1)).catch((thrown: unknown) => thrown));
    expect((error.retryAt ?? 0) - Date.now()).toBeGreaterThan(50_000);
    fake.disturb("GET", "hang");
    await expect(deploy(await issue(1), { timeout: "300ms" })).rejects.toMatchObject({ code: "deploy.timeout" });
    await fake.stop();
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.unreachable",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  it.each([
    [{ address: "http://bigip.test" }, "address"],
    [{ profile: "www-clientssl" }, "partition"],
    [{ profile: "/Common/../x" }, "partition"],
    [{ password: "pasted" }, "must refer to a secret"],
    [{ deviceGroup: "a; reboot" }, "device group"],
  ])("refuses the options %j", (wrong, why) => {
    const result = f5BigIp.options.safeParse({
      address: "https://bigip.test",
      user: "u",
      password: "env:P",
      profile: PROFILE,
      ...wrong,
    });
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
