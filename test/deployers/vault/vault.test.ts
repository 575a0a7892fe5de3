import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { vault } from "../../../src/deployers/vault/vault.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { toRenewalError } from "../../../src/domain/errors.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { startVaultFake, type VaultFake, type VaultFakeOptions } from "../../support/fakes/vault.ts";
import { heldFingerprint } from "../../support/pairs/heldPair.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";

const NEVER = new AbortController().signal;
const PATH = "certificates/www";

function make(fake: VaultFake, more: Record<string, unknown> = {}): Deployer {
  const options = vault.options.parse({ address: fake.origin, auth: { token: "env:VAULT_TOKEN" }, ...more });
  return vault.create(
    options,
    dependencies("vault", { VAULT_TOKEN: fake.token, SECRET_ID: "the-secret-id", WRONG: "wrong-secret-id" }),
  );
}

deployerConformance("vault", async () => {
  const fake = await startVaultFake();
  const stored = async (certificate: string): Promise<string | null> => {
    const data = fake.current(`certificates/${certificate}`);
    return heldFingerprint(data?.fullchain, data?.private_key);
  };
  return {
    deployer: make(fake),
    stored,
    served: stored,
    async plant(planted) {
      const { certificate, fullchain, ca_chain, private_key, ...marks } = fake.current("certificates/conform") ?? {};
      const texts = planted && {
        certificate: planted.certPem,
        fullchain: planted.certPem,
        ca_chain: planted.certPem.replace(/-----BEGIN[^-]+-----[^-]+-----END[^-]+-----\n?/, ""),
        private_key: planted.keyPem,
      };
      fake.put("certificates/conform", { ...marks, ...texts });
    },
    fallSilent: () => fake.fallSilent("POST /v1/secret/data"),
    repeats(text, inErrorText) {
      fake.disturbAlways("POST /v1/secret/data", { status: 500, body: inErrorText ? { errors: [text] } : text });
      return fake.calm;
    },
    async breakDown() {
      fake.disturbAlways("POST /v1/secret/data", { status: 500, body: { errors: ["internal error"] } });
      return { code: "deploy.unreachable", mend: async () => fake.calm() };
    },
    [Symbol.asyncDispose]: () => fake.stop(),
  };
});

describe("vault", () => {
  let fake: VaultFake;
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
  });
  const start = async (options: VaultFakeOptions = {}): Promise<void> => {
    await fake?.stop();
    fake = await startVaultFake(options);
  };
  beforeEach(() => start());
  afterEach(() => fake.stop());

  const issue = (generation: number, certificate = "www") => issuer.issue({ certificate, generation });
  const deploy = (pair: IssuedCertificate, more: Record<string, unknown> = {}) =>
    make(fake, more).deploy({ pair, previous: null }, NEVER);

  it("writes the pair, the chain and the generation in one version", async () => {
    const pair = await issue(3);
    const receipt = await deploy(pair);
    expect(receipt).toEqual({
      path: "secret/certificates/www",
      version: 1,
      generation: 3,
      fingerprint: pair.leaf.fingerprint,
    });
    expect(fake.current(PATH)).toEqual({
      certificate: pair.leafPem.trimEnd().concat("\n"),
      ca_chain: pair.chainPem.join(""),
      fullchain: `${pair.leafPem.trimEnd()}\n${pair.chainPem.join("")}`,
      private_key: pair.privateKey.reveal(),
      renewd_certificate: "www",
      renewd_generation: "3",
      renewd_fingerprint: pair.leaf.fingerprint,
      renewd_not_before: new Date(pair.leaf.notBefore).toISOString(),
    });
  });

  it("creates no new version of what the secret already holds", async () => {
    const pair = await issue(1);
    await deploy(pair);
    expect(await deploy(pair)).toMatchObject({ version: 1 });
    expect(fake.version(PATH)).toBe(1);
  });

  it("uses the configured fields, path and mount", async () => {
    const pair = await issue(1);
    await deploy(pair, { path: "tls/{certificate}/pair", fields: { bundle: "pem" } });
    expect(heldFingerprint(fake.current("tls/www/pair")?.pem, fake.current("tls/www/pair")?.pem)).toBe(
      pair.leaf.fingerprint,
    );
  });

  it("keeps fields that others added to its secret", async () => {
    await deploy(await issue(1));
    fake.put(PATH, { ...fake.current(PATH), note: "for the edge" });
    await deploy(await issue(2));
    expect(fake.current(PATH)).toMatchObject({ note: "for the edge", renewd_generation: "2" });
  });

  it("refuses a foreign secret, but takes over a pair that was put there by hand", async () => {
    fake.put(PATH, { password: "not ours" });
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("belongs to others"),
    });
    expect(fake.current(PATH)).toEqual({ password: "not ours" });
    fake.put(PATH, { certificate: "by hand", private_key: "by hand" });
    await deploy(await issue(1));
    expect(fake.current(PATH)).toMatchObject({ renewd_generation: "1" });
  });

  it("refuses in preflight what a deploy refuses: a secret of others, or of another certificate", async () => {
    const shared = make(fake, { path: "certificates/shared" });
    await shared.deploy({ pair: await issuer.issue({ certificate: "www", generation: 1 }), previous: null }, NEVER);
    await expect(shared.preflight?.("www", null, NEVER)).resolves.toBeUndefined();
    await expect(shared.preflight?.("api", null, NEVER)).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("belongs to the certificate www"),
    });
  });

  it.each<[string, Record<string, readonly string[]>, Record<string, unknown>, string]>([
    ["create what is missing", { "secret/data/": ["read", "update"] }, {}, '"create" on secret/data/certificates/www'],
    [
      "describe it",
      { "secret/data/": ["read", "create"] },
      { customMetadata: true },
      '"patch" on secret/metadata/certificates/www',
    ],
  ])("says in preflight that its token may not %s, and writes nothing", async (_, granted, more, message) => {
    await start({ granted });
    await expect(make(fake, more).preflight?.("www", null, NEVER)).rejects.toMatchObject({
      code: "deploy.forbidden",
      message: expect.stringContaining(message),
    });
    expect(fake.version(PATH)).toBe(0);
  });

  it("says in preflight that its token may not write over what it may read, and asks nothing of one that may not ask", async () => {
    await start({ granted: { "secret/data/": ["read", "create"] } });
    await deploy(await issue(1));
    await expect(make(fake).preflight?.("www", null, NEVER)).rejects.toMatchObject({
      code: "deploy.forbidden",
      message: expect.stringContaining('"update" on secret/data/certificates/www, and its token has read, create'),
    });
    await start({ granted: { "secret/": ["read"] }, mute: true });
    await expect(make(fake).preflight?.("www", null, NEVER)).resolves.toBeUndefined();
  });

  it("refuses a secret that holds another certificate of renewd's", async () => {
    await deploy(await issue(5, "shop"), { path: "shared" });
    await expect(deploy(await issue(9), { path: "shared" })).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("certificate shop"),
    });
  });

  it("writes after a secret was deleted, on its last version", async () => {
    await deploy(await issue(1));
    fake.remove(PATH);
    expect(await deploy(await issue(2))).toMatchObject({ version: 2 });
  });

  it("does not write over a newer generation that came between its read and its write", async () => {
    const [first, older, newer] = [await issue(1), await issue(2), await issue(3)];
    await deploy(first);
    const marks = { renewd_certificate: "www", renewd_generation: "3", renewd_fingerprint: newer.leaf.fingerprint };
    fake.afterNextRead(PATH, () => fake.put(PATH, { ...fake.current(PATH), ...marks }));
    await expect(deploy(older)).rejects.toMatchObject({ code: "deploy.newerGeneration" });
    expect(fake.current(PATH)).toMatchObject(marks);
  });

  it("tries later when something else wrote between its read and its write", async () => {
    await deploy(await issue(1));
    fake.afterNextRead(PATH, () => fake.put(PATH, { ...fake.current(PATH), note: "x" }));
    await expect(deploy(await issue(2))).rejects.toMatchObject({
      code: "deploy.unreachable",
      message: expect.stringContaining("changed by something else"),
    });
    await deploy(await issue(2));
    expect(fake.current(PATH)).toMatchObject({ note: "x", renewd_generation: "2" });
  });

  it("reports what Vault says about an invalid write", async () => {
    fake.disturb("POST /v1/secret/data", { status: 400, body: { errors: ["the secret is too large"] } });
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("too large"),
    });
  });

  it("refuses an engine of version 1, which would store the request itself", async () => {
    await start({ kvVersion: "1" });
    const refusal = { code: "deploy.refused", message: expect.stringContaining("version 1") };
    await expect(make(fake).preflight?.("www", null, NEVER)).rejects.toMatchObject(refusal);
    await expect(deploy(await issue(1))).rejects.toMatchObject(refusal);
    expect(fake.requests.filter((line) => line.startsWith("POST"))).toEqual([]);
  });

  it("logs in by AppRole and ends its token afterwards", async () => {
    await start({ appRole: { roleId: "edge", secretId: "the-secret-id" } });
    await deploy(await issue(1), { auth: { appRole: { roleId: "edge", secretId: "env:SECRET_ID" } } });
    expect(fake.current(PATH)).toMatchObject({ renewd_generation: "1" });
    expect(fake.requests.at(-1)).toBe("POST /v1/auth/token/revoke-self");
    expect([...fake.openTokens]).toEqual([]);
  });

  it("says that a login was refused without showing the credential", async () => {
    await start({ appRole: { roleId: "edge", secretId: "the-secret-id" } });
    const error = await deploy(await issue(1), { auth: { appRole: { roleId: "edge", secretId: "env:WRONG" } } }).catch(
      (thrown: unknown) => thrown,
    );
    expect(error).toMatchObject({ code: "deploy.forbidden" });
    expect(inspect(error, { depth: 10 })).not.toContain("wrong-secret-id");
  });

  it("logs in with the pod's token, read each time", async () => {
    const directory = await mkdtemp(join(tmpdir(), "renewd-vault-"));
    try {
      await start({ kubernetes: { role: "renewd", jwt: "eyJ.fresh.token" } });
      const tokenFile = join(directory, "token");
      const auth = { kubernetes: { role: "renewd", tokenFile } };
      await expect(deploy(await issue(1), { auth })).rejects.toMatchObject({
        code: "deploy.io",
        message: expect.stringContaining(tokenFile),
      });
      await writeFile(tokenFile, "eyJ.old.token\n");
      await expect(deploy(await issue(1), { auth })).rejects.toMatchObject({ code: "deploy.forbidden" });
      await writeFile(tokenFile, "eyJ.fresh.token\n");
      await deploy(await issue(1), { auth });
      expect(fake.version(PATH)).toBe(1);
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it("speaks to its namespace", async () => {
    await start({ namespace: "team/edge" });
    await deploy(await issue(1), { namespace: "team/edge" });
    expect(fake.version(PATH)).toBe(1);
    await expect(deploy(await issue(2))).rejects.toMatchObject({ code: "deploy.refused" });
  });

  it("shows the generation in custom metadata when asked to, beside what is there", async () => {
    await deploy(await issue(1), { customMetadata: true });
    await deploy(await issue(2), { customMetadata: true });
    expect(fake.customMetadata(PATH)).toEqual({ renewd_certificate: "www", renewd_generation: "2" });
  });

  it("waits for a sealed Vault to be unsealed", async () => {
    fake.seal(true);
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.unreachable",
      message: expect.stringContaining("sealed"),
    });
    fake.seal(false);
    await deploy(await issue(1));
  });

  it("says when a token is missing, wrong, or may not write", async () => {
    await expect(deploy(await issue(1), { auth: { token: "env:MISSING" } })).rejects.toMatchObject({
      code: "config.secret",
    });
    await expect(deploy(await issue(1), { auth: { token: "env:WRONG" } })).rejects.toMatchObject({
      code: "deploy.forbidden",
    });
    fake.disturb("POST /v1/secret/data", { status: 403, body: { errors: ["1 error occurred: permission denied"] } });
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.forbidden",
      message: expect.stringContaining("/v1/secret/data/certificates/www"),
    });
  });

  it("asks once when throttled, and says when Vault allows the next attempt", async () => {
    fake.disturb("GET /v1/secret/data", {
      status: 429,
      body: { errors: ["rate limit quota exceeded"] },
      headers: { "retry-after": "90" },
    });
    const error = toRenewalError(await deploy(await issue(1)).catch((thrown: unknown) => thrown));
    expect(error).toMatchObject({ code: "deploy.rateLimited" });
    expect((error.retryAt ?? 0) - Date.now()).toBeGreaterThan(80_000);
    expect(fake.requests).toHaveLength(1);
  });

  it("distinguishes a Vault that does not answer from one that is not there", async () => {
    fake.disturb("GET", "hang");
    await expect(deploy(await issue(1), { timeout: "200ms" })).rejects.toMatchObject({ code: "deploy.timeout" });
    await fake.stop();
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.unreachable",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  it("hides keys and tokens that an answer quotes", async () => {
    const pair = await issue(1);
    const said = [`cannot store ${pair.privateKey.reveal()}`, `no policy for ${fake.token}`];
    const answers = [...said.map((text) => ({ errors: [text] })), said.join(" ")];
    fake.disturb("POST /v1/secret/data", ...answers.map((body) => ({ status: 500, body })));
    const errors: unknown[] = [];
    for (const _ of answers) errors.push(await deploy(pair).catch((thrown: unknown) => thrown));
    expect(errors.map((error) => toRenewalError(error).message)).toEqual([
      expect.stringMatching(/answered 500: \[not shown: it repeats a private key\]$/),
      expect.stringMatching(/answered 500: no policy for \[secret\]$/),
      expect.stringMatching(/answered 500 with \d+ bytes that are not shown$/),
    ]);
    const shown = inspect(errors, { depth: 10, showHidden: true });
    expect(shown).not.toContain(fake.token);
    expect(shown).not.toContain(pair.privateKey.reveal().split("\n")[1]);
  });

  it("refuses a certificate whose name would leave the path", async () => {
    for (const name of ["..", "a/../b", "a b", "a?x=1"]) {
      await expect(deploy({ ...(await issue(1)), certificate: name })).rejects.toMatchObject({
        code: "deploy.refused",
      });
    }
    expect(fake.requests).toEqual([]);
  });

  it.each([
    [{ auth: { token: "hvs.pasted" } }, "must refer to a secret"],
    [{ auth: {} }, "auth"],
    [{ path: "/certs/{certificate}" }, "slashes"],
    [{ path: "certs/../{certificate}" }, "slashes"],
    [{ path: "certs/{name}" }, "slashes"],
    [{ fields: { certificate: "crt" } }, "bundle"],
    [{ fields: { certificate: "pem", privateKey: "pem" } }, "share a field"],
    [{ fields: { certificate: "renewd_x", privateKey: "key" } }, "reserved"],
    [{ address: "ftp://vault" }, "address"],
    [{ mount: "secret/../sys" }, "without slashes"],
    [{ mount: ".." }, "without slashes"],
    [{ namespace: "team/../../root" }, "without slashes"],
    [{ auth: { appRole: { roleId: "r", secretId: "env:S", mount: "../sys" } } }, "auth"],
    [{ mount: "{certificate}" }, "placeholder"],
  ])("refuses the options %j", (wrong, why) => {
    const result = vault.options.safeParse({ address: "https://vault.test:8200", auth: { token: "env:T" }, ...wrong });
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
