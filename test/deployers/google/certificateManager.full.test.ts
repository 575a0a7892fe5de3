import { inspect } from "node:util";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { gcpCertificateManager } from "../../../src/deployers/google/certificateManager.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { toRenewalError } from "../../../src/domain/errors.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { type CertificateManagerFake, startCertificateManagerFake } from "../../support/fakes/certificateManager.ts";
import { PROJECT } from "../../support/fakes/google.ts";
import { heldFingerprint } from "../../support/pairs/heldPair.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";

const NEVER = new AbortController().signal;
const PARENT = `projects/${PROJECT}/locations/global/certificates`;

function make(fake: CertificateManagerFake, more: Record<string, unknown> = {}): Deployer {
  const options = gcpCertificateManager.options.parse({
    project: PROJECT,
    credentials: "env:GOOGLE_KEY",
    endpoint: fake.endpoint,
    ...more,
  });
  return gcpCertificateManager.create(
    options,
    dependencies("edge", { GOOGLE_KEY: fake.serviceAccount, STRANGER: fake.stranger, BROKEN: "{hunter2" }),
  );
}

function heldIn(fake: CertificateManagerFake, id: string): string | null {
  const held = fake.certificates.get(`${PARENT}/${id}`);
  return heldFingerprint(held?.pemCertificate, held?.pemPrivateKey);
}

deployerConformance("gcp-certificate-manager", async () => {
  const fake = await startCertificateManagerFake();
  const stored = async (certificate: string): Promise<string | null> => heldIn(fake, certificate);
  return {
    deployer: make(fake),
    stored,
    served: stored,
    keyHidden: true,
    async plant(planted) {
      const name = `${PARENT}/conform`;
      const held = fake.certificates.get(name);
      if (planted === null || held === undefined) return void fake.certificates.delete(name);
      fake.certificates.set(name, { ...held, pemCertificate: planted.certPem, pemPrivateKey: planted.keyPem });
    },
    fallSilent: () => fake.fallSilent("PATCH"),
    repeats(text, inErrorText) {
      fake.disturbAlways("PATCH", {
        status: 400,
        body: inErrorText ? { error: { code: 400, status: "INVALID_ARGUMENT", message: text } } : text,
      });
      return fake.calm;
    },
    async breakDown() {
      fake.disturbAlways("PATCH", {
        status: 503,
        body: { error: { code: 503, status: "UNAVAILABLE", message: "try again" } },
      });
      return { code: "deploy.unreachable", mend: async () => fake.calm() };
    },
    [Symbol.asyncDispose]: () => fake.stop(),
  };
});

describe("gcp-certificate-manager", () => {
  let fake: CertificateManagerFake;
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
  });
  beforeEach(async () => {
    fake = await startCertificateManagerFake();
  });
  afterEach(() => fake.stop());

  const issue = (generation: number, certificate = "www") => issuer.issue({ certificate, generation });
  const deploy = (pair: IssuedCertificate, more: Record<string, unknown> = {}) =>
    make(fake, more).deploy({ pair, previous: null }, NEVER);

  it("creates a certificate with its labels and changes it in place", async () => {
    const [first, second] = [await issue(1), await issue(2)];
    await deploy(first, { labels: { team: "edge" }, scope: "ALL_REGIONS" });
    const receipt = await deploy(second, { labels: { team: "edge" } });
    expect(receipt).toEqual({ name: `${PARENT}/www`, generation: 2, fingerprint: second.leaf.fingerprint });
    expect(fake.certificates.get(`${PARENT}/www`)).toMatchObject({
      labels: {
        team: "edge",
        "renewd-certificate": "www",
        "renewd-generation": "2",
        "renewd-fingerprint": second.leaf.fingerprint.slice(0, 63),
      },
      pemCertificate: `${second.leafPem.trimEnd()}\n${second.chainPem.join("")}`,
    });
    expect(fake.certificates.size).toBe(1);
  });

  it("changes nothing that is there already, and only adds labels that are missing", async () => {
    const pair = await issue(1);
    await deploy(pair);
    await deploy(pair);
    expect(fake.requests.filter((line) => line.startsWith("PATCH"))).toEqual([]);
    await deploy(pair, { labels: { team: "edge" } });
    expect(fake.certificates.get(`${PARENT}/www`)?.labels).toMatchObject({ team: "edge", "renewd-generation": "1" });
  });

  it("waits for the operation, and says what it found wrong", async () => {
    fake.polls = 2;
    await deploy(await issue(1));
    expect(fake.requests.filter((line) => line.includes("/operations/"))).toHaveLength(2);
    const expired = await issuer.issue({
      certificate: "www",
      generation: 2,
      notBefore: new Date(Date.now() - 9e6),
      notAfter: new Date(Date.now() - 1e6),
    });
    await expect(deploy(expired)).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("has expired"),
    });
  });

  it("waits no longer than its timeout for an operation that does not end, nor when cancelled", async () => {
    fake.polls = 1_000;
    await expect(deploy(await issue(1), { timeout: "800ms" })).rejects.toMatchObject({ code: "deploy.timeout" });
    const controller = new AbortController();
    const stop = new Error("stop");
    const running = make(fake).deploy({ pair: await issue(2), previous: null }, controller.signal);
    await expect
      .poll(() => fake.requests.filter((line) => line.includes("/operations/")).length, { timeout: 10_000 })
      .toBeGreaterThan(1);
    controller.abort(stop);
    await expect(running).rejects.toBe(stop);
  });

  it("distinguishes certificates whose names become one label or one ID", async () => {
    await deploy(await issue(5, "a.b"), { name: "shared" });
    await expect(deploy(await issue(9, "a-b"), { name: "shared" })).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("belongs to"),
    });
    await deploy(await issue(6, "a.b"), { name: "shared" });
    await expect(deploy(await issue(4, "a.b"), { name: "shared" })).rejects.toMatchObject({
      code: "deploy.newerGeneration",
    });
    const parsed = gcpCertificateManager.options.parse({ project: PROJECT });
    expect(gcpCertificateManager.occupies?.(parsed, "a.b")).toEqual(gcpCertificateManager.occupies?.(parsed, "a-b"));
    await expect(deploy(await issue(1, "7www"))).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("beginning with a letter"),
    });
  });

  it("takes over a foreign certificate only with `adopt: true`", async () => {
    await deploy(await issue(1));
    const held = fake.certificates.get(`${PARENT}/www`);
    if (held !== undefined) fake.certificates.set(`${PARENT}/www`, { ...held, labels: { team: "edge" } });
    const refusal = { code: "deploy.refused", message: expect.stringContaining("adopt: true") };
    await expect(deploy(await issue(2))).rejects.toMatchObject(refusal);
    await expect(make(fake).preflight?.("www", null, NEVER)).rejects.toMatchObject(refusal);
    expect(await deploy(await issue(2), { adopt: true })).toMatchObject({ generation: 2 });
    expect(fake.certificates.get(`${PARENT}/www`)?.labels).toMatchObject({ team: "edge", "renewd-generation": "2" });
  });

  it("leaves a certificate alone that Google renews", async () => {
    fake.certificates.set(`${PARENT}/www`, {
      pemCertificate: "",
      pemPrivateKey: "",
      labels: {},
      scope: "DEFAULT",
      managed: true,
    });
    const refusal = { code: "deploy.refused", message: expect.stringContaining("by Google itself") };
    await expect(deploy(await issue(1))).rejects.toMatchObject(refusal);
    await expect(make(fake).preflight?.("www", null, NEVER)).rejects.toMatchObject(refusal);
  });

  it("names the missing permission", async () => {
    fake.forbid("certificatemanager.certs.create");
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.forbidden",
      message: expect.stringContaining("certificatemanager.certs.create"),
    });
    fake.forbid("certificatemanager.certs.get");
    await expect(make(fake).preflight?.("www", null, NEVER)).rejects.toMatchObject({ code: "deploy.forbidden" });
  });

  it("says when the key of the service account is refused, broken or missing, without showing it", async () => {
    await expect(deploy(await issue(1), { credentials: "env:STRANGER" })).rejects.toMatchObject({
      code: "deploy.forbidden",
    });
    const error = await deploy(await issue(1), { credentials: "env:BROKEN" }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "config.secret", message: expect.stringContaining("env:BROKEN") });
    expect(inspect(error, { depth: 10 })).not.toContain("hunter2");
    await expect(deploy(await issue(1), { credentials: "env:MISSING" })).rejects.toMatchObject({
      code: "config.secret",
    });
  });

  it("asks once when throttled, and says when Google allows the next attempt", async () => {
    const body = { error: { code: 429, status: "RESOURCE_EXHAUSTED", message: "Quota exceeded" } };
    fake.disturb("GET", { status: 429, body, headers: { "retry-after": "75" } });
    const error = toRenewalError(await deploy(await issue(1)).catch((thrown: unknown) => thrown));
    expect(error).toMatchObject({ code: "deploy.rateLimited", message: expect.stringContaining("Quota exceeded") });
    expect((error.retryAt ?? 0) - Date.now()).toBeGreaterThan(65_000);
    expect(fake.requests).toHaveLength(1);
  });

  it("tries later when another change is under way", async () => {
    fake.disturb("POST", {
      status: 409,
      body: { error: { code: 409, status: "ABORTED", message: "another operation is in progress" } },
    });
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.unreachable",
      message: expect.stringContaining("another operation"),
    });
  });

  it("distinguishes an API that does not answer from one that is not there", async () => {
    fake.disturb("GET", "hang");
    await expect(deploy(await issue(1), { timeout: "300ms" })).rejects.toMatchObject({ code: "deploy.timeout" });
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
      body: { error: { code: 400, message: `cannot parse ${pair.privateKey.reveal()}` } },
    });
    const error = await deploy(pair).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "deploy.refused", message: expect.stringContaining("repeats a private key") });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(pair.privateKey.reveal().split("\n")[1]);
  });

  it.each([
    [{ project: "My Project" }, "project ID"],
    [{ credentials: "{pasted}" }, "must refer to a secret"],
    [{ name: "{certificate}.tls" }, "1 to 63"],
    [{ labels: { "renewd-generation": "9" } }, "reserved"],
    [{ labels: { team: "Edge" } }, "label value"],
    [{ endpoint: "https://x/" }, "host:port"],
  ])("refuses the options %j", (wrong, why) => {
    const result = gcpCertificateManager.options.safeParse({ project: PROJECT, ...wrong });
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
