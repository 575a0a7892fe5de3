import { inspect } from "node:util";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { azureKeyVault } from "../../../src/deployers/azure/keyVault.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { toRenewalError } from "../../../src/domain/errors.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { type KeyVaultFake, startKeyVaultFake } from "../../support/fakes/keyVault.ts";
import { heldFingerprint } from "../../support/pairs/heldPair.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";

const NEVER = new AbortController().signal;
const IMPORT = /^POST \/certificates\/.*\/import$/;

function make(fake: KeyVaultFake, more: Record<string, unknown> = {}): Deployer {
  const credential = { tenantId: fake.tenantId, clientId: fake.clientId, clientSecret: "env:AZURE_SECRET" };
  const options = azureKeyVault.options.parse({ vault: fake.vault, credential, ...more });
  return azureKeyVault.create(
    options,
    dependencies("vault", { AZURE_SECRET: fake.clientSecret, WRONG: "wrong-client-secret" }),
  );
}

for (const keyType of ["ecdsa-p256", "rsa-2048"] as const) {
  deployerConformance(
    `azure-key-vault (${keyType})`,
    async () => {
      const fake = await startKeyVaultFake();
      const stored = async (certificate: string): Promise<string | null> => {
        const pem = fake.versions(certificate).at(-1)?.pem;
        return heldFingerprint(pem, pem);
      };
      return {
        deployer: make(fake, { adopt: true }),
        stored,
        served: stored,
        keyHidden: true,
        async plant(planted) {
          fake.replace("conform", planted && planted.keyPem + planted.certPem);
        },
        fallSilent: () => fake.fallSilent(IMPORT),
        repeats(text, inErrorText) {
          fake.disturbAlways(IMPORT, {
            status: 400,
            body: inErrorText ? { error: { code: text, message: text } } : text,
          });
          return fake.calm;
        },
        async breakDown() {
          fake.disturbAlways(IMPORT, {
            status: 500,
            body: { error: { code: "InternalServerError", message: "try again" } },
          });
          return { code: "deploy.unreachable", mend: async () => fake.calm() };
        },
        [Symbol.asyncDispose]: () => fake.stop(),
      };
    },
    keyType,
  );
}

describe("azure-key-vault", () => {
  let fake: KeyVaultFake;
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
  });
  beforeEach(async () => {
    fake = await startKeyVaultFake();
  });
  afterEach(() => fake.stop());

  const issue = (generation: number, certificate = "www") => issuer.issue({ certificate, generation });
  const deploy = (pair: IssuedCertificate, more: Record<string, unknown> = {}) =>
    make(fake, more).deploy({ pair, previous: null }, NEVER);

  it("imports each generation as a version that carries its tags from the first moment", async () => {
    const [first, second] = [await issue(1), await issue(2)];
    await deploy(first, { tags: { team: "edge" } });
    // People tag what they see; a version of its own would lose that.
    Object.assign(fake.versions("www")[0]?.tags ?? {}, { owner: "shop" });
    const receipt = await deploy(second, { tags: { team: "edge" } });
    const versions = fake.versions("www");
    expect(versions).toHaveLength(2);
    expect(receipt).toEqual({
      name: "www",
      version: versions[1]?.version,
      generation: 2,
      fingerprint: second.leaf.fingerprint,
    });
    expect(versions[0]?.tags).toMatchObject({ "renewd-generation": "1", team: "edge" });
    expect(versions[1]?.tags).toMatchObject({
      "renewd-certificate": "www",
      "renewd-generation": "2",
      "renewd-fingerprint": second.leaf.fingerprint,
      team: "edge",
      owner: "shop",
    });
    expect(versions[1]?.pem).toBe(
      `${second.privateKey.reveal()}${second.leafPem.trimEnd()}\n${second.chainPem.join("")}`,
    );
  });

  it("imports nothing that is there already, and finishes tags that are missing", async () => {
    const pair = await issue(1);
    await deploy(pair);
    await deploy(pair, { tags: { team: "edge" } });
    expect(fake.versions("www")).toHaveLength(1);
    expect(fake.versions("www")[0]?.tags).toMatchObject({ team: "edge", "renewd-generation": "1" });
  });

  it("names a certificate with characters that Key Vault allows", async () => {
    expect(await deploy(await issue(1, "shop.eu_west"))).toMatchObject({ name: "shop-eu-west" });
    const parsed = azureKeyVault.options.parse({ vault: fake.vault });
    expect(azureKeyVault.occupies?.(parsed, "a.b")).toEqual(azureKeyVault.occupies?.(parsed, "a_b"));
    expect(azureKeyVault.occupies?.(parsed, "a")).not.toEqual(azureKeyVault.occupies?.(parsed, "b"));
  });

  it("refuses a name that holds another certificate of renewd's", async () => {
    await deploy(await issue(5, "shop"), { name: "shared" });
    await expect(deploy(await issue(9), { name: "shared" })).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("certificate shop"),
    });
  });

  it("takes over a foreign certificate only with `adopt: true`", async () => {
    await deploy(await issue(1));
    const [held] = fake.versions("www");
    if (held !== undefined) held.tags = {};
    const refusal = { code: "deploy.refused", message: expect.stringContaining("adopt: true") };
    await expect(deploy(await issue(2))).rejects.toMatchObject(refusal);
    await expect(make(fake).preflight?.("www", null, NEVER)).rejects.toMatchObject(refusal);
    expect(fake.versions("www")).toHaveLength(1);
    expect(await deploy(await issue(2), { adopt: true })).toMatchObject({ generation: 2 });
  });

  it("leaves alone what Key Vault renews itself or services read as PKCS#12, and says so in preflight", async () => {
    await deploy(await issue(1));
    const [held] = fake.versions("www");
    if (held !== undefined) held.tags = {};
    for (const [policy, why] of [
      [{ issuer: "DigiCert" }, "issuer DigiCert"],
      [{ issuer: "Unknown", contentType: "application/x-pkcs12" }, "application/x-pkcs12"],
    ] as const) {
      fake.setPolicy("www", policy);
      const refusal = { code: "deploy.refused", message: expect.stringContaining(why) };
      await expect(deploy(await issue(2))).rejects.toMatchObject(refusal);
      await expect(make(fake).preflight?.("www", null, NEVER)).rejects.toMatchObject(refusal);
    }
    expect(fake.versions("www")).toHaveLength(1);
  });

  it("says that a deleted certificate keeps its name", async () => {
    await deploy(await issue(1));
    fake.softDelete("www");
    await expect(deploy(await issue(2))).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringMatching(/409.*recovered or purged/),
    });
    await expect(make(fake).preflight?.("www", null, NEVER)).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("purge"),
    });
  });

  it("names the missing permission", async () => {
    fake.forbid("import");
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.forbidden",
      message: expect.stringContaining("permission import"),
    });
    fake.forbid("get");
    await expect(make(fake).preflight?.("www", null, NEVER)).rejects.toMatchObject({
      code: "deploy.forbidden",
      message: expect.stringContaining("permission get"),
    });
  });

  it("says that Microsoft Entra gave no token, without showing the client secret", async () => {
    const credential = { tenantId: fake.tenantId, clientId: fake.clientId, clientSecret: "env:WRONG" };
    const error = await deploy(await issue(1), { credential }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "deploy.forbidden", message: expect.stringContaining("AADSTS7000215") });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("wrong-client-secret");
    await expect(
      deploy(await issue(1), { credential: { ...credential, clientSecret: "env:MISSING" } }),
    ).rejects.toMatchObject({ code: "config.secret" });
  });

  it("asks once when throttled, and says when Key Vault allows the next attempt", async () => {
    const body = { error: { code: "Throttled", message: "too many requests" } };
    fake.disturb(IMPORT, { status: 429, body, headers: { "retry-after": "40" } });
    const error = toRenewalError(await deploy(await issue(1)).catch((thrown: unknown) => thrown));
    expect(error).toMatchObject({ code: "deploy.rateLimited" });
    expect((error.retryAt ?? 0) - Date.now()).toBeGreaterThan(30_000);
    expect(fake.requests.filter((line) => IMPORT.test(line))).toHaveLength(1);
  });

  it("distinguishes a vault that does not answer from one that is not there", async () => {
    fake.disturbAlways("GET /certificates", "hang");
    await expect(deploy(await issue(1), { timeout: "500ms" })).rejects.toMatchObject({ code: "deploy.timeout" });
    fake.calm();
    fake.disturbAlways("GET /certificates", "reset");
    await expect(deploy(await issue(1))).rejects.toMatchObject({ code: "deploy.unreachable" });
  });

  it("hides a key that an answer quotes", async () => {
    const pair = await issue(1);
    fake.disturb(IMPORT, {
      status: 400,
      body: { error: { code: "BadParameter", message: `cannot read ${pair.privateKey.reveal()}` } },
    });
    const error = await deploy(pair).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "deploy.refused", message: expect.stringContaining("repeats a private key") });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(pair.privateKey.reveal().split("\n")[1]);
  });

  it.each([
    [{ vault: "http://edge.vault.azure.net" }, "vault"],
    [{ name: "{certificate}_tls" }, "127 letters"],
    [{ tags: { "renewd-generation": "9" } }, "reserved"],
    [{ tags: Object.fromEntries(Array.from({ length: 12 }, (_, i) => [`t${i}`, ""])) }, "at most 11"],
    [{ credential: { tenantId: "x", clientId: "y", clientSecret: "pasted" } }, "tenant"],
  ])("refuses the options %j", (wrong, why) => {
    const result = azureKeyVault.options.safeParse({ vault: "https://edge.vault.azure.net", ...wrong });
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
