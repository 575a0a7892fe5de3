import { inspect } from "node:util";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { cloudflare } from "../../../src/deployers/cloudflare/cloudflare.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import type { DeployReceipt } from "../../../src/domain/deployment.ts";
import { toRenewalError } from "../../../src/domain/errors.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { type CloudflareFake, startCloudflareFake } from "../../support/fakes/cloudflare.ts";
import { heldFingerprint } from "../../support/pairs/heldPair.ts";
import { createPairIssuer, type PairIssuer, type PairOptions } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";

const NEVER = new AbortController().signal;
const DAY_MS = 86_400_000;

function make(fake: CloudflareFake, more: Record<string, unknown> = {}): Deployer {
  const options = cloudflare.options.parse({
    zone: fake.zone,
    token: "env:CF_TOKEN",
    endpoint: fake.endpoint,
    ...more,
  });
  return cloudflare.create(
    options,
    dependencies("edge", { CF_TOKEN: fake.token, OTHER: `other-${"x".repeat(30)}`, MANGLED: "two words" }),
  );
}

for (const keyType of ["ecdsa-p256", "rsa-2048"] as const) {
  deployerConformance(
    `cloudflare (${keyType})`,
    async () => {
      const fake = await startCloudflareFake();
      const stored = async (): Promise<string | null> => {
        const [held] = fake.certificates();
        return heldFingerprint(held?.certificate, held?.privateKey);
      };
      return {
        deployer: make(fake),
        receiptOnly: true,
        certificateHidden: true,
        stored,
        served: stored,
        fallSilent: () => fake.fallSilent("PATCH"),
        repeats(text, inErrorText) {
          fake.disturbAlways("PATCH", {
            status: 400,
            body: inErrorText ? { success: false, errors: [{ code: 1000, message: text }] } : text,
          });
          return fake.calm;
        },
        async breakDown() {
          fake.disturbAlways("PATCH", { status: 502, body: "bad gateway" });
          return { code: "deploy.unreachable", mend: async () => fake.calm() };
        },
        [Symbol.asyncDispose]: () => fake.stop(),
      };
    },
    keyType,
  );
}

describe("cloudflare", () => {
  let fake: CloudflareFake;
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
  });
  beforeEach(async () => {
    fake = await startCloudflareFake({ pageSize: 1 });
  });
  afterEach(() => fake.stop());

  const issue = (generation: number, more: Partial<PairOptions> = {}) =>
    issuer.issue({ certificate: "www", generation, ...more });
  const deploy = (pair: IssuedCertificate, previous: DeployReceipt | null = null, more: Record<string, unknown> = {}) =>
    make(fake, more).deploy({ pair, previous }, NEVER);

  it("uploads once, and from then on replaces what it uploaded, whose ID changes", async () => {
    const first = await deploy(await issue(1));
    expect(fake.certificates()).toMatchObject([{ id: first.id, type: "sni_custom", bundleMethod: "force" }]);
    const pair = await issue(2);
    const second = await deploy(pair, first);
    const { fingerprint, notAfter } = pair.leaf;
    expect(second).toEqual({ id: fake.certificates()[0]?.id, generation: 2, fingerprint, expiresAt: notAfter });
    expect(second.id).not.toBe(first.id);
    expect(fake.certificates()).toHaveLength(1);
    expect(fake.certificates()[0]?.certificate).toBe(`${pair.leafPem.trimEnd()}\n${pair.chainPem.join("")}`);
  });

  it("finds in an inspection that its certificate was deleted, and a deploy heals it", async () => {
    const pair = await issue(1);
    const first = await deploy(pair);
    const inspect = (previous: DeployReceipt) => make(fake).inspect?.({ certificate: "www", previous }, NEVER);
    expect(await inspect(first)).toBeNull();
    fake.remove(String(first.id));
    expect(await inspect(first)).toEqual({
      fingerprint: null,
      keyMatches: null,
      problems: [`custom certificate ${first.id} of zone ${fake.zone} is missing`],
    });
    const second = await deploy(pair, first);
    expect(await inspect(second)).toBeNull();
    expect(fake.certificates()).toHaveLength(1);
  });

  it("finds in an inspection that somebody replaced it, or has Cloudflare choose its chain, and a deploy heals it", async () => {
    const pair = await issue(1);
    const theirs = await issue(1, { notAfter: new Date(pair.leaf.notAfter + DAY_MS) });
    const edits = [
      [
        { certificate: theirs.leafPem, privateKey: theirs.privateKey.reveal() },
        { fingerprint: null, isOther: true, problems: [expect.stringMatching(/expires 20.*Z, renewd's 20.*Z$/)] },
      ],
      [
        { bundleMethod: "ubiquitous" },
        {
          fingerprint: pair.leaf.fingerprint,
          problems: [expect.stringMatching(/has the bundle method ubiquitous instead of force, so another chain$/)],
        },
      ],
    ] as const;
    let receipt = await deploy(pair);
    const inspect = () => make(fake).inspect?.({ certificate: "www", previous: receipt }, NEVER);
    for (const [edit, found] of edits) {
      fake.edit(String(receipt.id), edit);
      expect(await inspect()).toEqual({ keyMatches: null, ...found });
      receipt = await deploy(pair, receipt);
      expect(await inspect()).toBeNull();
      expect(fake.certificates()).toMatchObject([{ bundleMethod: "force", privateKey: pair.privateKey.reveal() }]);
    }
    // Receipts of earlier releases do not say when the certificate expires.
    const { expiresAt: _, ...earlier } = receipt;
    expect(await make(fake).inspect?.({ certificate: "www", previous: earlier }, NEVER)).toBeNull();
  });

  it("uploads nothing that was uploaded before and still is there", async () => {
    const pair = await issue(1);
    const receipt = await deploy(pair);
    expect(await deploy(pair, receipt)).toEqual(receipt);
    expect(fake.requests.filter((line) => !line.startsWith("GET"))).toHaveLength(1);
    fake.remove(String(receipt.id));
    expect(await deploy(pair, receipt)).not.toEqual(receipt);
    expect(fake.certificates()).toHaveLength(1);
  });

  it("finds an upload that was not recorded by its hosts, on any page", async () => {
    await deploy(await issuer.issue({ certificate: "other", generation: 1 }));
    fake.disturb("POST", "reset");
    await expect(deploy(await issue(1))).rejects.toMatchObject({ code: "deploy.unreachable" });
    expect(fake.certificates()).toHaveLength(2);
    const receipt = await deploy(await issue(1));
    expect(fake.certificates().find(({ id }) => id === receipt.id)?.hosts).toEqual(["www.test"]);
    expect(fake.certificates()).toHaveLength(2);
  });

  it("keeps an RSA and an ECDSA certificate for the same hosts apart", async () => {
    const rsa = await createPairIssuer("rsa-2048");
    const first = await deploy(await issue(1));
    const second = await deploy(await rsa.issue({ certificate: "www", generation: 1 }));
    expect(second.id).not.toBe(first.id);
    expect(fake.certificates()).toHaveLength(2);
    await deploy(await rsa.issue({ certificate: "www", generation: 2 }));
    expect(fake.certificates().some(({ id }) => id === first.id)).toBe(true);
  });

  it("replaces its own certificate when the key type changes", async () => {
    const receipt = await deploy(await issue(1));
    const rsa = await createPairIssuer("rsa-2048");
    await deploy(await rsa.issue({ certificate: "www", generation: 2 }), receipt);
    expect(fake.certificates()).toHaveLength(1);
  });

  it("first replaces the configured certificate, and says in preflight when there is none", async () => {
    const { id } = await deploy(await issue(1));
    const names = ["www.test", "api.test"];
    await expect(make(fake, { certificateId: id }).preflight?.("www", null, NEVER)).resolves.toBeUndefined();
    await deploy(await issue(2, { names }), null, { certificateId: id });
    expect(fake.certificates()).toMatchObject([{ hosts: names }]);
    const missing = make(fake, { certificateId: "0".repeat(32) });
    await expect(missing.preflight?.("www", null, NEVER)).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("certificateId"),
    });
  });

  it("sets the configured kind of clients, key region and priority", async () => {
    const more = { clients: "legacy_custom", keyRegion: "eu", priority: 7 };
    const first = await deploy(await issue(1), null, more);
    expect(fake.certificates()).toMatchObject([{ type: "legacy_custom", region: "eu", priority: 7 }]);
    const second = await deploy(await issue(2), first, more);
    expect(second.id).toBe(first.id);
    expect(fake.requests.filter((line) => line.includes("prioritize"))).toHaveLength(1);
  });

  it("reports what Cloudflare refuses, with its code", async () => {
    const soon = await issue(1, { notAfter: new Date(Date.now() + 13 * DAY_MS) });
    await expect(deploy(soon)).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("less than 14 days. (1217)"),
    });
    const foreign = await issue(1, { names: ["www.elsewhere.example"] });
    await expect(deploy(foreign)).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("hostname of the zone"),
    });
    await expect(deploy(await issue(1), null, { bundleMethod: "ubiquitous" })).rejects.toMatchObject({
      code: "deploy.refused",
    });
    fake.quota = 0;
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("maximum number"),
    });
    expect(fake.certificates()).toEqual([]);
  });

  it("says before an order what it cannot take", () => {
    const limits = cloudflare.limits?.(cloudflare.options.parse({ zone: "0".repeat(32), token: "env:T" }));
    expect(limits).toEqual({ lifetimeMinMs: 14 * DAY_MS, identifierTypes: ["dns"] });
  });

  it("says when the token is refused, mangled or missing, without showing it", async () => {
    for (const name of ["OTHER", "MANGLED"]) {
      const error = await make(fake, { token: `env:${name}` })
        .preflight?.("www", null, NEVER)
        .catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: "deploy.forbidden",
        message: expect.stringContaining("SSL and Certificates"),
      });
      expect(inspect(error, { depth: 10 })).not.toMatch(/x{30}|two words/);
    }
    await expect(deploy(await issue(1), null, { token: "env:MISSING" })).rejects.toMatchObject({
      code: "config.secret",
    });
    await expect(deploy(await issue(1), null, { zone: "f".repeat(32) })).rejects.toMatchObject({
      code: "deploy.forbidden",
    });
  });

  it("asks once when throttled, and says when Cloudflare allows the next attempt", async () => {
    fake.disturb("GET", {
      status: 429,
      body: { success: false, errors: [{ code: 971, message: "throttled" }] },
      headers: { "retry-after": "300" },
    });
    const error = toRenewalError(await deploy(await issue(1)).catch((thrown: unknown) => thrown));
    expect(error).toMatchObject({ code: "deploy.rateLimited" });
    expect((error.retryAt ?? 0) - Date.now()).toBeGreaterThan(290_000);
    expect(fake.requests).toHaveLength(1);
  });

  it("distinguishes an API that does not answer from one that is not there or speaks something else", async () => {
    fake.disturb("GET", "hang");
    await expect(deploy(await issue(1), null, { timeout: "200ms" })).rejects.toMatchObject({ code: "deploy.timeout" });
    fake.disturb("GET", { status: 200, body: "<html>captive portal</html>" });
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.unreachable",
      message: expect.stringContaining("unexpected body"),
    });
    await fake.stop();
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.unreachable",
      message: expect.stringContaining("ECONNREFUSED"),
    });
  });

  it("hides a key that an answer quotes", async () => {
    const pair = await issue(1);
    fake.disturb("POST", {
      status: 400,
      body: { success: false, errors: [{ code: 1, message: `bad key ${pair.privateKey.reveal()}` }] },
    });
    const shown = inspect(await deploy(pair).catch((thrown: unknown) => thrown), { depth: 10, showHidden: true });
    expect(shown).toContain("repeats a private key");
    expect(shown).not.toContain(pair.privateKey.reveal().split("\n")[1]);
  });

  it.each([
    [{ zone: "example.org" }, "32 hexadecimal"],
    [{ token: "cf-pasted-token" }, "must refer to a secret"],
    [{ certificateId: "../x" }, "32 hexadecimal"],
    [{ bundleMethod: "best" }, "ubiquitous"],
    [{ endpoint: "ftp://x" }, "endpoint"],
  ])("refuses the options %j", (wrong, why) => {
    const result = cloudflare.options.safeParse({ zone: "0".repeat(32), token: "env:T", ...wrong });
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
