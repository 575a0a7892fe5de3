import { createPrivateKey, X509Certificate } from "node:crypto";
import { inspect } from "node:util";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { awsSecretsManager } from "../../../src/deployers/aws/secretsManager.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import type { DeployReceipt } from "../../../src/domain/deployment.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { awsTrouble } from "../../conformance/awsTrouble.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { useAwsTestCredentials } from "../../support/fakes/aws.ts";
import { type SecretsManagerFake, startSecretsManagerFake } from "../../support/fakes/secretsManager.ts";
import { createPairIssuer, type PairIssuer, type PairOptions } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";

const NEVER = new AbortController().signal;
const SECRET = "tls/www";

beforeAll(useAwsTestCredentials);

function make(fake: SecretsManagerFake, more: Record<string, unknown> = {}): Deployer {
  const options = { region: fake.region, endpoint: fake.endpoint, secret: "tls/{certificate}", ...more };
  return awsSecretsManager.create(awsSecretsManager.options.parse(options), dependencies("vault"));
}

/** Fingerprint of what readers get. Throws when key and certificate do not belong together. */
function fingerprintOf(certPem: string, keyPem: string): string {
  if (!new X509Certificate(certPem).checkPrivateKey(createPrivateKey(keyPem))) throw new Error("torn");
  return readLeaf(certPem).fingerprint;
}

for (const layout of ["json", "pem"] as const) {
  deployerConformance(`aws-secrets-manager (${layout})`, async () => {
    const fake = await startSecretsManagerFake();
    const stored = async (certificate: string): Promise<string | null> => {
      const text = fake.value(`tls/${certificate}`);
      if (text === null) return null;
      if (layout === "pem") return fingerprintOf(text.slice(text.indexOf("-----BEGIN CERT")), text);
      const { certificate: certPem, privateKey } = JSON.parse(text);
      return fingerprintOf(certPem, privateKey);
    };
    return {
      deployer: make(fake, { layout }),
      stored,
      served: stored,
      async plant(planted) {
        if (planted === null) return fake.remove("tls/conform");
        const { certPem: certificate, keyPem: privateKey } = planted;
        fake.put(
          "tls/conform",
          layout === "pem" ? privateKey + certificate : JSON.stringify({ certificate, privateKey }),
        );
      },
      fallSilent: () => fake.fallSilent("UpdateSecretVersionStage"),
      repeats(text, inErrorText) {
        fake.disturb("PutSecretValue", {
          fault: inErrorText ? "InvalidParameterException" : text.slice(0, 200),
          message: text,
        });
        return fake.calm;
      },
      async breakDown() {
        fake.disturb("UpdateSecretVersionStage", { fault: "InternalServiceError", status: 500 });
        return { code: "deploy.unreachable", mend: async () => fake.calm() };
      },
      [Symbol.asyncDispose]: () => fake.stop(),
    };
  });
}

awsTrouble({
  type: "aws-secrets-manager",
  permissions: "secretsmanager",
  throttled: "ThrottlingException",
  look: "DescribeSecret",
  hand: "CreateSecret",
  start: startSecretsManagerFake,
  make,
});

describe("aws-secrets-manager", () => {
  let fake: SecretsManagerFake;
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
  });
  beforeEach(async () => {
    fake = await startSecretsManagerFake();
  });
  afterEach(() => fake.stop());

  const issue = (generation: number, more: Partial<PairOptions> = {}) =>
    issuer.issue({ certificate: "www", generation, ...more });
  const deploy = (pair: IssuedCertificate, more: Record<string, unknown> = {}, previous: DeployReceipt | null = null) =>
    make(fake, more).deploy({ pair, previous }, NEVER);
  const count = (action: string) => fake.actions.filter((asked) => asked === action).length;

  it("creates the secret with its tags and key, and its text by name", async () => {
    const pair = await issue(1);
    const receipt = await deploy(pair, { tags: { team: "edge" }, kmsKeyId: "alias/tls" });
    expect(fake.tags(SECRET)).toEqual({ team: "edge", "renewd:certificate": "www" });
    expect(fake.kmsKey(SECRET)).toBe("alias/tls");
    expect(JSON.parse(fake.value(SECRET) ?? "")).toMatchObject({
      certificate: pair.leafPem,
      privateKey: pair.privateKey.reveal(),
      generation: 1,
    });
    expect(receipt).toEqual({
      arn: expect.stringMatching(/:secret:tls\/www-/),
      version: expect.stringMatching(/^renewd-1-\d+-[0-9a-f]{32}$/),
      generation: 1,
      fingerprint: pair.leaf.fingerprint,
    });
  });

  it("moves AWSCURRENT to the new pair and leaves the one before as AWSPREVIOUS", async () => {
    const [first, second, third] = [await issue(1), await issue(2), await issue(3)];
    for (const pair of [first, second, third]) await deploy(pair);
    const fingerprint = (stage: "AWSCURRENT" | "AWSPREVIOUS") =>
      JSON.parse(fake.value(SECRET, stage) ?? "").fingerprint;
    expect(fingerprint("AWSCURRENT")).toBe(third.leaf.fingerprint);
    expect(fingerprint("AWSPREVIOUS")).toBe(second.leaf.fingerprint);
  });

  it("puts the same pair there again in another layout", async () => {
    const pair = await issue(1);
    await deploy(pair);
    await deploy(pair, { layout: "pem" });
    expect(fake.value(SECRET)).toBe(pair.privateKey.reveal() + pair.leafPem + pair.chainPem.join(""));
  });

  it("changes nothing when all is done", async () => {
    const pair = await issue(1);
    await deploy(pair);
    const before = fake.actions.length;
    await deploy(pair);
    expect(fake.actions.slice(before)).toEqual(["DescribeSecret", "GetSecretValue"]);
  });

  it("keeps the members that others wrote into the secret's object", async () => {
    fake.put(SECRET, JSON.stringify({ password: "theirs", port: 8443 }));
    const [first, second] = [await issue(1), await issue(2)];
    const receipt = await deploy(first, { adopt: true });
    expect(receipt).toMatchObject({ keptMembers: 2 });
    fake.put(SECRET, JSON.stringify({ ...JSON.parse(fake.value(SECRET) ?? ""), password: "changed" }));
    // The same pair beside another text: AWS takes no other value under the id of a version.
    const again = await deploy(first);
    expect(again.version).not.toBe(receipt.version);
    await deploy(second);
    const held = JSON.parse(fake.value(SECRET) ?? "");
    expect(held).toMatchObject({ password: "changed", port: 8443, fingerprint: second.leaf.fingerprint });
    await expect(deploy(await issue(3), { layout: "pem" })).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringMatching(/\(password, port\).*cannot keep/),
    });
    await deploy(await issue(3), { layout: "pem", adopt: true });
  });

  it("forgets the names that its own members had before", async () => {
    const keys = { certificate: "crt", privateKey: "key" };
    const receipt = await deploy(await issue(1), { keys });
    await make(fake).deploy({ pair: await issue(2), previous: receipt }, NEVER);
    expect(Object.keys(JSON.parse(fake.value(SECRET) ?? ""))).not.toContain("key");
  });

  it("needs no permission to read a secret that holds nothing else", async () => {
    const forbidden = { fault: "AccessDeniedException", message: "not authorized", status: 400 };
    const receipt = await deploy(await issue(1));
    fake.disturb("GetSecretValue", forbidden);
    const { version } = await deploy(await issue(2), {}, receipt);
    fake.disturb("GetSecretValue", forbidden);
    const inspected = (previous: DeployReceipt) => make(fake).inspect?.({ certificate: "www", previous }, NEVER);
    expect(await inspected({ version: String(version), fingerprint: "ab" })).toMatchObject({
      fingerprint: "ab",
      problems: [],
    });
    fake.put(SECRET, JSON.stringify({ password: "theirs" }));
    const issued3 = await issue(3);
    for (const act of [() => deploy(issued3), () => make(fake).preflight?.("www", null, NEVER)]) {
      fake.disturb("GetSecretValue", forbidden);
      await expect(act()).rejects.toMatchObject({ code: "deploy.forbidden" });
    }
    fake.disturb("GetSecretValue", forbidden);
    expect((await inspected(receipt))?.problems.join()).toContain("which renewd did not put there");
  });

  it("finds a version whose answer was lost, current already or not yet", async () => {
    fake.disturb("CreateSecret", "reset");
    const first = await issue(1);
    await expect(deploy(first)).rejects.toMatchObject({ code: "deploy.unreachable" });
    await deploy(first);
    expect(count("CreateSecret")).toBe(1);

    const second = await issue(2);
    fake.disturb("PutSecretValue", "reset");
    await expect(deploy(second)).rejects.toMatchObject({ code: "deploy.unreachable" });
    expect(JSON.parse(fake.value(SECRET) ?? "").generation).toBe(1);
    const { version } = await deploy(second);
    expect(fake.versions(SECRET)).toMatchObject({ [String(version)]: ["AWSCURRENT", "renewd"] });
    expect(Object.keys(fake.versions(SECRET))).toHaveLength(2);
  });

  it("restores a value that was replaced or rolled back", async () => {
    await deploy(await issue(1));
    const pair = await issue(2);
    await deploy(pair);
    fake.rollBack(SECRET);
    expect(JSON.parse(fake.value(SECRET) ?? "").generation).toBe(1);
    await deploy(pair);
    expect(JSON.parse(fake.value(SECRET) ?? "").generation).toBe(2);
    fake.put(SECRET, "by hand");
    await deploy(pair);
    expect(JSON.parse(fake.value(SECRET) ?? "").generation).toBe(2);
  });

  it("lets the pair issued later win between two of one generation", async () => {
    const day = 86_400_000;
    const [earlier, later] = [
      await issue(1, { notBefore: new Date(Date.now() - 2 * day) }),
      await issue(1, { notBefore: new Date(Date.now() - day) }),
    ];
    await deploy(earlier);
    await deploy(later);
    await expect(deploy(earlier)).rejects.toMatchObject({
      code: "deploy.newerGeneration",
      message: expect.stringContaining("`adopt: true`"),
    });
    expect(JSON.parse(fake.value(SECRET) ?? "").fingerprint).toBe(later.leaf.fingerprint);
  });

  it("does not undo a version that became current in between, and reads again", async () => {
    await deploy(await issue(1));
    const pair = await issue(2);
    fake.disturb("UpdateSecretVersionStage", { meanwhile: () => fake.put(SECRET, "another writer's") });
    await expect(deploy(pair)).rejects.toMatchObject({
      code: "deploy.unreachable",
      message: expect.stringContaining("at the same time"),
    });
    expect(fake.value(SECRET)).toBe("another writer's");
    await deploy(pair);
    expect(JSON.parse(fake.value(SECRET) ?? "").generation).toBe(2);
  });

  it("passes on a refusal to make the version current that has another reason", async () => {
    await deploy(await issue(1));
    fake.disturb("UpdateSecretVersionStage", { fault: "InvalidParameterException" });
    await expect(deploy(await issue(2))).rejects.toMatchObject({ code: "deploy.refused" });
    expect(JSON.parse(fake.value(SECRET) ?? "").generation).toBe(1);
  });

  it("loses the race for AWSCURRENT without harm when another writer was quicker", async () => {
    await deploy(await issue(1));
    const [second, third] = [await issue(2), await issue(3)];
    const outcomes = await Promise.allSettled([deploy(second), deploy(third)]);
    for (const outcome of outcomes) {
      if (outcome.status === "fulfilled") continue;
      expect(outcome.reason).toMatchObject({ code: expect.stringMatching(/^deploy\.(unreachable|newerGeneration)$/) });
    }
    expect(outcomes.some(({ status }) => status === "fulfilled")).toBe(true);
    await deploy(third);
    expect(JSON.parse(fake.value(SECRET) ?? "").generation).toBe(3);
  });

  it("refuses a secret that is not ours, until it may be adopted", async () => {
    fake.put(SECRET, "somebody else's");
    const pair = await issue(1);
    const refusal = {
      code: "deploy.refused",
      message: expect.stringMatching(/tls\/www was not created by renewd.*adopt: true/),
    };
    await expect(deploy(pair)).rejects.toMatchObject(refusal);
    await expect(make(fake).preflight?.("www", pair.leaf, NEVER)).rejects.toMatchObject(refusal);
    expect(fake.value(SECRET)).toBe("somebody else's");
    await expect(make(fake, { adopt: true }).preflight?.("www", null, NEVER)).resolves.toBeUndefined();
    await deploy(pair, { adopt: true });
    expect(fake.tags(SECRET)).toEqual({ "renewd:certificate": "www" });
    expect(fake.value(SECRET, "AWSPREVIOUS")).toBe("somebody else's");
    await deploy(await issue(2));
  });

  it("adopts no secret of another certificate", async () => {
    await deploy(await issuer.issue({ certificate: "other", generation: 1 }), { secret: "tls" });
    for (const adopt of [false, true]) {
      await expect(deploy(await issue(2), { secret: "tls", adopt })).rejects.toMatchObject({
        code: "deploy.refused",
        message: expect.stringContaining("belongs to the certificate other"),
      });
    }
  });

  it("starts to count again where the tag was removed after the database was lost", async () => {
    await deploy(await issue(7));
    fake.removeTag(SECRET, "renewd:certificate");
    await deploy(await issue(1), { adopt: true });
    expect(JSON.parse(fake.value(SECRET) ?? "").generation).toBe(1);
  });

  it.each([
    [{ DeletedDate: Date.now() / 1000 }, /scheduled for deletion: restore it/],
    [{ RotationEnabled: true }, /turn rotation off/],
    [{ OwningService: "rds" }, /managed by rds/],
    [{ PrimaryRegion: "us-east-1" }, /primary, us-east-1/],
  ])("foresees that nothing can be kept where %j", async (state, why) => {
    const pair = await issue(1);
    await deploy(pair);
    fake.set(SECRET, state);
    const refusal = { code: "deploy.refused", message: expect.stringMatching(why) };
    await expect(make(fake).preflight?.("www", null, NEVER)).rejects.toMatchObject(refusal);
    await expect(deploy(await issue(2))).rejects.toMatchObject(refusal);
    expect(count("PutSecretValue")).toBe(0);
  });

  it("adds tags that are missing on an existing secret", async () => {
    const pair = await issue(1);
    await deploy(pair);
    await deploy(pair, { tags: { team: "edge" } });
    expect(fake.tags(SECRET)).toEqual({ team: "edge", "renewd:certificate": "www" });
  });

  it("reports quotas and KMS keys with the action to take", async () => {
    await fake.stop();
    fake = await startSecretsManagerFake({ quota: 0 });
    const pair = await issue(1);
    await expect(deploy(pair)).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringMatching(/quota of secrets.*Service Quotas/),
    });
    fake.disturb("CreateSecret", { fault: "EncryptionFailure", message: "Access to KMS is not allowed" });
    await expect(deploy(pair)).rejects.toMatchObject({
      code: "deploy.forbidden",
      message: expect.stringContaining("kms:GenerateDataKey"),
    });
  });

  it("reads again when the secret appears while it creates it", async () => {
    fake.disturb("DescribeSecret", { fault: "ResourceNotFoundException" });
    fake.put(SECRET, "just now");
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.unreachable",
      message: expect.stringContaining("at the same time"),
    });
    expect(fake.value(SECRET)).toBe("just now");
  });

  it("hides the private key that AWS quotes when the value is too long", async () => {
    const names = Array.from({ length: 1500 }, (_, index) => `host-${index}.www.test`);
    const pair = await issue(1, { names });
    const error: unknown = await deploy(pair).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: "deploy.refused", message: expect.stringContaining("repeats a private key") });
    const shown = inspect(error, { depth: 10, showHidden: true, maxStringLength: null });
    for (const line of pair.privateKey
      .reveal()
      .split("\n")
      .filter((text) => text.length > 8 && !text.startsWith("-")))
      expect(shown).not.toContain(line);
  });

  it("occupies the secret, which differs by certificate", () => {
    const occupied = (secret: string, certificate: string) =>
      awsSecretsManager.occupies?.(awsSecretsManager.options.parse({ region: "eu-central-1", secret }), certificate);
    expect(occupied("tls/{certificate}", "a")).toEqual(["secretsmanager::eu-central-1:tls/a"]);
    expect(occupied("tls", "a")).toEqual(occupied("tls", "b"));
  });

  it.each([
    [{}, "secret"],
    [{ secret: "a b" }, "placeholder"],
    [{ secret: "tls/{name}" }, "placeholder"],
    [{ secret: "tls", keys: { certificate: "c" } }, "at least"],
    [{ secret: "tls", tags: { "renewd:x": "y" } }, "reserved"],
  ])("refuses the options %j", (wrong, why) => {
    const result = awsSecretsManager.options.safeParse({ region: "eu-central-1", ...wrong });
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
