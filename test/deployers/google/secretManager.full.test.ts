import { inspect } from "node:util";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { gcpSecretManager } from "../../../src/deployers/google/secretManager.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { toRenewalError } from "../../../src/domain/errors.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { PROJECT } from "../../support/fakes/google.ts";
import { type SecretManagerFake, startSecretManagerFake } from "../../support/fakes/secretManager.ts";
import { heldFingerprint } from "../../support/pairs/heldPair.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";

const NEVER = new AbortController().signal;
const SECRET = `projects/${PROJECT}/secrets/www`;

function make(fake: SecretManagerFake, more: Record<string, unknown> = {}): Deployer {
  const options = gcpSecretManager.options.parse({
    project: PROJECT,
    credentials: "env:GOOGLE_KEY",
    endpoint: fake.endpoint,
    layout: "pem",
    ...more,
  });
  return gcpSecretManager.create(
    options,
    dependencies("store", { GOOGLE_KEY: fake.serviceAccount, STRANGER: fake.stranger }),
  );
}

deployerConformance("gcp-secret-manager", async () => {
  const fake = await startSecretManagerFake();
  const stored = async (certificate: string): Promise<string | null> => {
    const pem = fake.latest(`projects/${PROJECT}/secrets/${certificate}`);
    return heldFingerprint(pem, pem);
  };
  return {
    deployer: make(fake),
    stored,
    served: stored,
    async plant(planted) {
      const name = `projects/${PROJECT}/secrets/conform`;
      if (planted === null) fake.remove(name);
      else fake.add(name, planted.keyPem + planted.certPem);
    },
    fallSilent: () => fake.fallSilent(/:addVersion$/),
    repeats(text, inErrorText) {
      fake.disturbAlways(/:addVersion$/, {
        status: 400,
        body: inErrorText ? { error: { code: 400, status: "INVALID_ARGUMENT", message: text } } : text,
      });
      return fake.calm;
    },
    async breakDown() {
      fake.disturbAlways(/:addVersion$/, {
        status: 503,
        body: { error: { code: 503, status: "UNAVAILABLE", message: "try again" } },
      });
      return { code: "deploy.unreachable", mend: async () => fake.calm() };
    },
    [Symbol.asyncDispose]: () => fake.stop(),
  };
});

describe("gcp-secret-manager", () => {
  let fake: SecretManagerFake;
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
  });
  beforeEach(async () => {
    fake = await startSecretManagerFake();
  });
  afterEach(() => fake.stop());

  const issue = (generation: number, certificate = "www") => issuer.issue({ certificate, generation });
  const deploy = (pair: IssuedCertificate, more: Record<string, unknown> = {}) =>
    make(fake, more).deploy({ pair, previous: null }, NEVER);

  it("creates the secret, adds a version for each generation, and records it", async () => {
    await deploy(await issue(1));
    const pair = await issue(2);
    expect(await deploy(pair)).toEqual({
      secret: SECRET,
      version: "2",
      generation: 2,
      fingerprint: pair.leaf.fingerprint,
    });
    expect(fake.annotations(SECRET)).toMatchObject({
      "renewd-certificate": "www",
      "renewd-generation": "2",
      "renewd-version": "2",
    });
    expect(fake.latest(SECRET)).toBe(`${pair.privateKey.reveal()}${pair.leafPem.trimEnd()}\n${pair.chainPem.join("")}`);
  });

  it("writes JSON with `layout: json`", async () => {
    const pair = await issue(1);
    await deploy(pair, { layout: "json", keys: { fullchain: "crt", privateKey: "key" } });
    expect(JSON.parse(fake.latest(SECRET) ?? "")).toEqual({
      crt: `${pair.leafPem.trimEnd()}\n${pair.chainPem.join("")}`,
      key: pair.privateKey.reveal(),
    });
  });

  it("adds nothing that is there already, unless another version follows it", async () => {
    const pair = await issue(1);
    await deploy(pair);
    await deploy(pair);
    expect(fake.versions(SECRET)).toBe(1);
    fake.add(SECRET, "vandalised");
    expect(await deploy(pair)).toMatchObject({ version: "3" });
    expect(heldFingerprint(fake.latest(SECRET), fake.latest(SECRET))).toBe(pair.leaf.fingerprint);
  });

  it("finishes what a crash left between the claim and the version", async () => {
    const pair = await issue(1);
    fake.disturb(/:addVersion$/, { status: 500, body: "" });
    await expect(deploy(pair)).rejects.toMatchObject({ code: "deploy.unreachable" });
    expect(fake.annotations(SECRET)).toMatchObject({ "renewd-generation": "1" });
    expect(fake.annotations(SECRET)).not.toHaveProperty("renewd-version");
    expect(await deploy(pair)).toMatchObject({ version: "1" });
  });

  it("fills an empty secret that was created before, but not one with foreign versions", async () => {
    fake.makeEmpty(SECRET);
    fake.annotate(SECRET, { owner: "team-edge" });
    await deploy(await issue(1));
    expect(fake.annotations(SECRET)).toMatchObject({ owner: "team-edge", "renewd-generation": "1" });
    const other = `projects/${PROJECT}/secrets/other`;
    fake.makeEmpty(other);
    fake.add(other, "password");
    const refusal = { code: "deploy.refused", message: expect.stringContaining("did not write") };
    await expect(deploy(await issue(1), { secret: "other" })).rejects.toMatchObject(refusal);
    await expect(make(fake, { secret: "other" }).preflight?.("www", null, NEVER)).rejects.toMatchObject(refusal);
    expect(fake.latest(other)).toBe("password");
  });

  it("says in preflight which right to write is missing, and adds nothing", async () => {
    await deploy(await issue(1));
    await expect(make(fake).preflight?.("www", null, NEVER)).resolves.toBeUndefined();
    fake.forbid("secretmanager.versions.add");
    await expect(make(fake).preflight?.("www", null, NEVER)).rejects.toMatchObject({
      code: "deploy.forbidden",
      message: expect.stringContaining(`secretmanager.versions.add on ${SECRET}`),
    });
    expect(fake.versions(SECRET)).toBe(1);
  });

  it("adds no version when a newer generation was claimed between its read and its claim", async () => {
    await deploy(await issue(1));
    fake.afterNextRead(() => fake.annotate(SECRET, { "renewd-generation": "3", "renewd-fingerprint": "newer" }));
    await expect(deploy(await issue(2))).rejects.toMatchObject({ code: "deploy.newerGeneration" });
    expect(fake.versions(SECRET)).toBe(1);
    fake.afterNextRead(() => fake.annotate(SECRET, { owner: "x" }));
    await expect(deploy(await issue(4))).rejects.toMatchObject({
      code: "deploy.unreachable",
      message: expect.stringContaining("changed by something else"),
    });
    expect(fake.versions(SECRET)).toBe(1);
  });

  it("refuses a secret that holds another certificate of renewd's", async () => {
    await deploy(await issue(5, "shop"), { secret: "shared" });
    await expect(deploy(await issue(9), { secret: "shared" })).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("certificate shop"),
    });
  });

  it("names the missing permission, and says when the service account is refused", async () => {
    fake.forbid("secretmanager.versions.add");
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.forbidden",
      message: expect.stringContaining("secretmanager.versions.add"),
    });
    await expect(deploy(await issue(1), { credentials: "env:STRANGER" })).rejects.toMatchObject({
      code: "deploy.forbidden",
    });
  });

  it("asks once when throttled, and gives up on an API that does not answer", async () => {
    fake.disturb("GET", {
      status: 429,
      body: { error: { code: 429, message: "Quota exceeded" } },
      headers: { "retry-after": "75" },
    });
    const error = toRenewalError(await deploy(await issue(1)).catch((thrown: unknown) => thrown));
    expect(error).toMatchObject({ code: "deploy.rateLimited" });
    expect((error.retryAt ?? 0) - Date.now()).toBeGreaterThan(65_000);
    expect(fake.requests).toHaveLength(1);
    fake.disturb("GET", "hang");
    await expect(deploy(await issue(1), { timeout: "300ms" })).rejects.toMatchObject({ code: "deploy.timeout" });
  });

  it("hides a key that an answer quotes", async () => {
    const pair = await issue(1);
    fake.disturb(/:addVersion$/, {
      status: 400,
      body: { error: { code: 400, message: `cannot store ${pair.privateKey.reveal()}` } },
    });
    const error = await deploy(pair).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "deploy.refused", message: expect.stringContaining("repeats a private key") });
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain(pair.privateKey.reveal().split("\n")[1]);
  });

  it.each([
    [{ secret: "a.b" }, "1 to 255"],
    [{ layout: "pfx" }, "json"],
    [{ layout: "json", keys: { certificate: "crt" } }, "privateKey"],
    [{ project: "x" }, "project ID"],
  ])("refuses the options %j", (wrong, why) => {
    const result = gcpSecretManager.options.safeParse({ project: PROJECT, ...wrong });
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });

  it("keeps the members that others add to the secret's object, and needs no permission to read where there are none", async () => {
    const json = { layout: "json" };
    await deploy(await issue(1), json);
    fake.add(SECRET, JSON.stringify({ ...JSON.parse(fake.latest(SECRET) ?? ""), password: "theirs", port: 8443 }));
    const pair = await issue(2);
    const receipt = await deploy(pair, json);
    const held = JSON.parse(fake.latest(SECRET) ?? "");
    expect(held).toMatchObject({ password: "theirs", port: 8443, fingerprint: pair.leaf.fingerprint });
    expect(receipt).toMatchObject({ keptMembers: 2 });
    expect(await deploy(pair, json)).toEqual(receipt);
    expect(fake.versions(SECRET)).toBe(3);
    await expect(deploy(await issue(3), { layout: "pem" })).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringMatching(/\(password, port\).*cannot keep/),
    });
    const forbidden = { status: 403, body: { error: { code: 403, status: "PERMISSION_DENIED", message: "no" } } };
    fake.disturbAlways(/:access$/, forbidden);
    const next = await issue(4);
    const previous = receipt;
    await expect(make(fake, json).deploy({ pair: next, previous }, NEVER)).rejects.toMatchObject({
      code: "deploy.forbidden",
    });
    expect(await make(fake, json).inspect?.({ certificate: "www", previous }, NEVER)).toMatchObject({
      fingerprint: pair.leaf.fingerprint,
      problems: [],
    });
    fake.calm();
    fake.makeEmpty(SECRET);
    fake.disturbAlways(/:access$/, forbidden);
    await deploy(next, json);
    await deploy(await issue(5), json);
    expect(JSON.parse(fake.latest(SECRET) ?? "").generation).toBe(5);
  });
});
