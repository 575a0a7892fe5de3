import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { awsAcm } from "../../../src/deployers/aws/acm.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import type { DeployReceipt } from "../../../src/domain/deployment.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { awsTrouble } from "../../conformance/awsTrouble.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { createRoot } from "../../support/ca/pki.ts";
import { type AcmFake, startAcmFake } from "../../support/fakes/acm.ts";
import { useAwsTestCredentials } from "../../support/fakes/aws.ts";
import { createPairIssuer, type PairIssuer, type PairOptions } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { servedFingerprint } from "../../support/servers/served.ts";

const NEVER = new AbortController().signal;
const SERVER_AUTH = "1.3.6.1.5.5.7.3.1";
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

beforeAll(useAwsTestCredentials);

function make(fake: AcmFake, more: Record<string, unknown> = {}): Deployer {
  return awsAcm.create(
    awsAcm.options.parse({ region: fake.region, endpoint: fake.endpoint, ...more }),
    dependencies("alb"),
  );
}

for (const keyType of ["ecdsa-p256", "rsa-2048"] as const) {
  deployerConformance(
    `aws-acm (${keyType})`,
    async () => {
      const fake = await startAcmFake();
      const stored = async (): Promise<string | null> => {
        const [held] = fake.certificates();
        return held === undefined ? null : readLeaf(held.certPem).fingerprint;
      };
      return {
        deployer: make(fake),
        stored,
        served: (certificate) => servedFingerprint(fake.tlsPort, `${certificate}.test`),
        keyHidden: true,
        chainRequired: true,
        async plant(planted) {
          for (const { arn } of fake.certificates()) fake.replace(arn, planted);
        },
        fallSilent: () => fake.fallSilent("ImportCertificate"),
        repeats(text, inErrorText) {
          fake.disturb("ImportCertificate", {
            fault: inErrorText ? "ValidationException" : text.slice(0, 200),
            message: text,
          });
          return fake.calm;
        },
        async breakDown() {
          fake.disturb("ImportCertificate", { fault: "InternalFailure", status: 500 });
          return { code: "deploy.unreachable", mend: async () => fake.calm() };
        },
        [Symbol.asyncDispose]: () => fake.stop(),
      };
    },
    keyType,
  );
}

awsTrouble({
  type: "aws-acm",
  permissions: "acm",
  throttled: "ThrottlingException",
  look: "ListCertificates",
  hand: "ImportCertificate",
  start: startAcmFake,
  make,
});

describe("aws-acm", () => {
  let fake: AcmFake;
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
  });
  beforeEach(async () => {
    fake = await startAcmFake({ quota: 3, pageSize: 1 });
  });
  afterEach(() => fake.stop());

  const issue = (generation: number, more: Partial<PairOptions> = {}) =>
    issuer.issue({ certificate: "www", generation, ...more });
  const deploy = (pair: IssuedCertificate, previous: DeployReceipt | null = null, more: Record<string, unknown> = {}) =>
    make(fake, more).deploy({ pair, previous }, NEVER);
  const tagsOf = (arn: unknown) => fake.certificates().find((held) => held.arn === arn)?.tags;

  it("imports once with its tags, and from then on into the same ARN", async () => {
    const first = await deploy(await issue(1), null, { tags: { team: "edge" } });
    expect(tagsOf(first.arn)).toEqual({ team: "edge", "renewd:certificate": "www", "renewd:generation": "1" });
    const pair = await issue(2);
    const second = await deploy(pair, first, { tags: { team: "edge" } });
    expect(second).toEqual({ arn: first.arn, generation: 2, fingerprint: pair.leaf.fingerprint });
    expect(tagsOf(first.arn)).toEqual({ team: "edge", "renewd:certificate": "www", "renewd:generation": "2" });
    expect(fake.certificates()).toHaveLength(1);
  });

  it("finds the ARN of an import that was not recorded, on any page", async () => {
    const other = await issuer.issue({ certificate: "other", generation: 1 });
    await deploy(other);
    fake.disturb("ImportCertificate", "reset");
    await expect(deploy(await issue(1))).rejects.toMatchObject({ code: "deploy.unreachable" });
    expect(fake.certificates()).toHaveLength(2);
    const receipt = await deploy(await issue(1));
    expect(tagsOf(receipt.arn)).toMatchObject({ "renewd:certificate": "www" });
    expect(fake.certificates()).toHaveLength(2);
  });

  it("does not read tags of a certificate that shares no name", async () => {
    await deploy(await issuer.issue({ certificate: "other", generation: 1 }));
    const before = fake.actions.length;
    await deploy(await issue(1));
    expect(fake.actions.slice(before)).not.toContain("ListTagsForCertificate");
  });

  it("does not import again what ACM holds already, and only raises the tag that a crash left behind", async () => {
    const receipt = await deploy(await issue(1));
    const pair = await issue(2);
    fake.disturb("AddTagsToCertificate", { fault: "InternalFailure", status: 500 });
    await expect(deploy(pair, receipt)).rejects.toMatchObject({ code: "deploy.unreachable" });
    expect(tagsOf(receipt.arn)).toMatchObject({ "renewd:generation": "1" });
    await deploy(pair, receipt);
    expect(tagsOf(receipt.arn)).toMatchObject({ "renewd:generation": "2" });
    expect(fake.actions.filter((action) => action === "ImportCertificate")).toHaveLength(2);
  });

  it("takes over a configured ARN, but not one that belongs to another certificate", async () => {
    const { arn } = await deploy(await issuer.issue({ certificate: "other", generation: 7 }));
    await expect(deploy(await issue(1), null, { arn })).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("belongs to the certificate other"),
    });
    await expect(deploy(await issue(1), null, { arn: `${arn}0` })).rejects.toMatchObject({ code: "deploy.refused" });
    expect(fake.certificates()).toHaveLength(1);
  });

  it("imports again when the recorded ARN was deleted", async () => {
    const gone = { arn: "arn:aws:acm:eu-central-1:123456789012:certificate/gone", generation: 1 };
    const receipt = await deploy(await issue(2), gone);
    expect(receipt.arn).not.toBe(gone.arn);
    expect(fake.certificates()).toHaveLength(1);
  });

  it("foresees that ACM keeps key type and size, in preflight and before importing", async () => {
    const receipt = await deploy(await issue(1));
    const other = await (await createPairIssuer("rsa-2048")).issue({ certificate: "www", generation: 2 });
    const refusal = { code: "deploy.refused", message: expect.stringMatching(/EC_prime256v1.*RSA_2048.*new ARN/) };
    await expect(make(fake).preflight?.("www", other.leaf, NEVER)).rejects.toMatchObject(refusal);
    await expect(deploy(other, receipt)).rejects.toMatchObject(refusal);
    expect(fake.actions.filter((action) => action === "ImportCertificate")).toHaveLength(1);
  });

  it("foresees that ACM lets no key usage go, but for clientAuth and an ECDSA key's keyEncipherment", async () => {
    const receipt = await deploy(
      await issue(1, {
        keyUsage: ["digitalSignature", "keyEncipherment", "keyAgreement"],
        extendedKeyUsage: [SERVER_AUTH, CLIENT_AUTH],
      }),
    );
    await expect(deploy(await issue(2, { keyUsage: ["digitalSignature"] }), receipt)).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("has KEY_AGREEMENT, the new"),
    });
    expect(fake.actions.filter((action) => action === "ImportCertificate")).toHaveLength(1);
    await deploy(
      await issue(3, { keyUsage: ["digitalSignature", "keyAgreement"], extendedKeyUsage: [SERVER_AUTH] }),
      receipt,
    );
    expect(tagsOf(receipt.arn)).toMatchObject({ "renewd:generation": "3" });
  });

  it("reports what only ACM knows: the quota, and a leaf signed by a CA of another algorithm", async () => {
    for (const certificate of ["a", "b", "c"]) await deploy(await issuer.issue({ certificate, generation: 1 }));
    await expect(deploy(await issue(1))).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringMatching(/limit of the account.*Service Quotas/),
    });
    const ca = await createRoot({ keyType: "rsa-2048" });
    const { certPem, keyPem } = await ca.issue({ names: ["a.test"], keyType: "ecdsa-p256" });
    const mixed = {
      ...(await issuer.issue({ certificate: "a", generation: 2, keyPem })),
      leafPem: certPem,
      leaf: readLeaf(certPem),
      chainPem: [ca.certPem],
    };
    await expect(deploy(mixed)).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("signing CA"),
    });
  });

  it("occupies the configured ARN and nothing else", () => {
    const arn = "arn:aws:acm:eu-central-1:123456789012:certificate/12345678-1234-1234-1234-123456789012";
    expect(awsAcm.occupies?.(awsAcm.options.parse({ region: "eu-central-1", arn }), "www")).toEqual([arn]);
    expect(awsAcm.occupies?.(awsAcm.options.parse({ region: "eu-central-1" }), "www")).toEqual([]);
  });

  it.each([
    [{ region: "nowhere" }, "eu-central-1"],
    [{ region: "us-east-1", arn: "arn:aws:iam::1:user/x" }, "ARN"],
    [{ region: "us-east-1", tags: { "aws:x": "y" } }, "reserved"],
    [{ region: "us-east-1", tags: { "renewd:generation": "9" } }, "reserved"],
    [{ region: "us-east-1", endpoint: "ftp://x" }, "endpoint"],
  ])("refuses the options %j", (wrong, why) => {
    const result = awsAcm.options.safeParse(wrong);
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
