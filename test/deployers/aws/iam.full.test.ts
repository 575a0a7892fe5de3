import { createPrivateKey, X509Certificate } from "node:crypto";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { awsIam } from "../../../src/deployers/aws/iam.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import type { DeployReceipt } from "../../../src/domain/deployment.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { awsTrouble } from "../../conformance/awsTrouble.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { useAwsTestCredentials } from "../../support/fakes/aws.ts";
import { type IamFake, startIamFake } from "../../support/fakes/iam.ts";
import { createPairIssuer, type PairIssuer, type PairOptions } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";

const NEVER = new AbortController().signal;

beforeAll(useAwsTestCredentials);

function make(fake: IamFake, more: Record<string, unknown> = {}): Deployer {
  return awsIam.create(awsIam.options.parse({ endpoint: fake.endpoint, ...more }), dependencies("classic"));
}

for (const keyType of ["ecdsa-p256", "rsa-2048"] as const) {
  deployerConformance(
    `aws-iam (${keyType})`,
    async () => {
      const fake = await startIamFake();
      // People refer their load balancer to the ARN of the last receipt.
      const stored = async (): Promise<string | null> => {
        const last = fake.certificates().at(-1);
        if (last === undefined) return null;
        if (!new X509Certificate(last.certPem).checkPrivateKey(createPrivateKey(last.keyPem))) throw new Error("torn");
        return readLeaf(last.certPem).fingerprint;
      };
      return {
        deployer: make(fake),
        stored,
        served: stored,
        fallSilent: () => fake.fallSilent("UploadServerCertificate"),
        repeats(text, inErrorText) {
          fake.disturb("UploadServerCertificate", {
            fault: inErrorText ? "MalformedCertificate" : text.slice(0, 200),
            message: text,
          });
          return fake.calm;
        },
        async breakDown() {
          fake.disturb("UploadServerCertificate", { fault: "ServiceFailure", status: 500 });
          return { code: "deploy.unreachable", mend: async () => fake.calm() };
        },
        [Symbol.asyncDispose]: () => fake.stop(),
      };
    },
    keyType,
  );
}

awsTrouble({
  type: "aws-iam",
  permissions: "iam",
  throttled: "Throttling",
  look: "ListServerCertificates",
  hand: "UploadServerCertificate",
  start: startIamFake,
  make,
});

describe("aws-iam", () => {
  let fake: IamFake;
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
  });
  beforeEach(async () => {
    fake = await startIamFake({ quota: 5, pageSize: 2 });
  });
  afterEach(() => fake.stop());

  const issue = (generation: number, more: Partial<PairOptions> = {}) =>
    issuer.issue({ certificate: "www", generation, ...more });
  const deploy = (pair: IssuedCertificate, more: Record<string, unknown> = {}, previous: DeployReceipt | null = null) =>
    make(fake, more).deploy({ pair, previous }, NEVER);
  const names = () => fake.certificates().map(({ name }) => name);
  const count = (action: string) => fake.actions.filter((asked) => asked === action).length;

  it("finds in an inspection that its upload was deleted, and a deploy heals it", async () => {
    const pair = await issue(3);
    const receipt = await deploy(pair);
    const inspect = (previous: DeployReceipt | null) => make(fake).inspect?.({ certificate: "www", previous }, NEVER);
    const chain = [readLeaf(issuer.intermediate.certPem).fingerprint];
    const whole = { fingerprint: pair.leaf.fingerprint, keyMatches: null, chain, problems: [] };
    expect(await inspect(receipt)).toEqual(whole);
    expect(await inspect(null)).toEqual(whole);
    fake.remove(String(receipt.name));
    for (const previous of [receipt, null])
      expect(await inspect(previous)).toMatchObject({
        fingerprint: null,
        problems: [expect.stringContaining("is missing")],
      });
    await deploy(pair, {}, receipt);
    expect(await inspect(receipt)).toEqual(whole);
  });

  it("uploads each generation under its own name, with path and tags, and reports its ARN", async () => {
    const pair = await issue(12);
    const name = `www-12-${pair.leaf.fingerprint.slice(0, 8)}`;
    const receipt = await deploy(pair, { path: "/cloudfront/edge/", tags: { team: "edge" } });
    expect(receipt).toEqual({
      arn: `arn:aws:iam::123456789012:server-certificate/cloudfront/edge/${name}`,
      name,
      generation: 12,
      fingerprint: pair.leaf.fingerprint,
    });
    expect(fake.certificates()).toMatchObject([
      { name, chainPem: pair.chainPem.join(""), tags: { team: "edge", "renewd:certificate": "www" } },
    ]);
    await deploy(await issue(13), { path: "/cloudfront/edge/" });
    expect(fake.certificates().at(-1)?.tags, "tags of the generation before").toMatchObject({ team: "edge" });
  });

  it("keeps the last generations and deletes what is older", async () => {
    const receipts: DeployReceipt[] = [];
    for (const generation of [1, 2, 3, 4, 5, 6]) receipts.push(await deploy(await issue(generation)));
    expect(names()).toEqual(receipts.slice(-3).map(({ name }) => name));
    await deploy(await issue(7), { keep: 2 });
    expect(names()).toHaveLength(2);
  });

  it("keeps certificates in use, says so, and deletes them once they are free", async () => {
    const { name } = await deploy(await issue(1));
    fake.attach(String(name));
    await deploy(await issue(2), { keep: 2 });
    const third = await deploy(await issue(3), { keep: 2 });
    expect(third).toMatchObject({ inUse: name, generation: 3 });
    expect(names()).toContain(name);
    fake.attach(null);
    expect(await deploy(await issue(4), { keep: 2 })).not.toHaveProperty("inUse");
    expect(names()).not.toContain(name);
  });

  it("uploads also when it may not delete, and says so", async () => {
    for (const generation of [1, 2]) await deploy(await issue(generation), { keep: 2 });
    fake.disturb("DeleteServerCertificate", { fault: "AccessDenied", message: "not authorized", status: 403 });
    const receipt = await deploy(await issue(3), { keep: 2 });
    expect(receipt).toMatchObject({
      generation: 3,
      notDeleted: expect.stringMatching(/not authorized.*iam:DeleteServerCertificate/),
    });
    expect(names()).toHaveLength(3);
  });

  it("ignores certificates of others, even with a similar name", async () => {
    await deploy(await issuer.issue({ certificate: "www-1", generation: 9 }));
    const { name } = await deploy(await issue(1));
    fake.removeTag(String(name), "renewd:certificate");
    const late = await deploy(await issue(99));
    fake.removeTag(String(late.name), "renewd:certificate");
    for (const generation of [2, 3, 4]) await deploy(await issue(generation), { keep: 2 });
    expect(names()).toEqual(expect.arrayContaining([name, late.name, expect.stringMatching(/^www-1-9-/)]));
    expect(names()).toHaveLength(5);
  });

  it("makes room before it uploads, so that old generations do not use up the quota", async () => {
    for (const certificate of ["a", "b"]) await deploy(await issuer.issue({ certificate, generation: 1 }));
    for (const generation of [1, 2, 3, 4, 5]) await deploy(await issue(generation));
    expect(names()).toHaveLength(5);
    await expect(deploy(await issuer.issue({ certificate: "c", generation: 1 }))).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringMatching(/ServerCertificatesPerAccount: 5.*Service Quotas.*`keep`/),
    });
  });

  it("finds an upload whose answer was lost, listed already or not yet", async () => {
    for (const [generation, late] of [
      [1, false],
      [2, true],
    ] as const) {
      const pair = await issue(generation);
      fake.listLate(late);
      fake.disturb("UploadServerCertificate", "reset");
      await expect(deploy(pair)).rejects.toMatchObject({ code: "deploy.unreachable" });
      expect(await deploy(pair)).toMatchObject({ generation, arn: fake.certificates().at(-1)?.arn });
      expect(names()).toHaveLength(generation);
    }
  });

  it("does not take over a certificate that others gave this name", async () => {
    const pair = await issue(1);
    const { name } = await deploy(pair);
    fake.removeTag(String(name), "renewd:certificate");
    await expect(deploy(pair)).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("not uploaded by renewd"),
    });
  });

  it("lets the pair issued later win between two of one generation, and refuses the other", async () => {
    const day = 86_400_000;
    const [earlier, later] = [
      await issue(1, { notBefore: new Date(Date.now() - 2 * day) }),
      await issue(1, { notBefore: new Date(Date.now() - day) }),
    ];
    await deploy(earlier);
    const { name } = await deploy(later);
    await expect(deploy(earlier)).rejects.toMatchObject({
      code: "deploy.newerGeneration",
      message: expect.stringContaining(String(name)),
    });
  });

  it("uploads nothing twice and deletes nothing when everything is done", async () => {
    const pair = await issue(1);
    await deploy(pair);
    const before = fake.actions.length;
    await deploy(pair);
    expect(fake.actions.slice(before)).toEqual(["ListServerCertificates", "GetServerCertificate"]);
  });

  it("retries later when IAM is busy with the name", async () => {
    fake.disturb("UploadServerCertificate", { fault: "ConcurrentModification", status: 409 });
    await expect(deploy(await issue(1))).rejects.toMatchObject({ code: "deploy.unreachable" });
  });

  it("stops deleting when cancelled, and uploads nothing then", async () => {
    for (const generation of [1, 2]) await deploy(await issue(generation), { keep: 2 });
    const controller = new AbortController();
    const reason = new RenewalError("lease.lost", "another worker has taken over");
    fake.disturb("DeleteServerCertificate", { meanwhile: () => controller.abort(reason) });
    const uploads = count("UploadServerCertificate");
    await expect(
      make(fake, { keep: 2 }).deploy({ pair: await issue(3), previous: null }, controller.signal),
    ).rejects.toBe(reason);
    expect(count("UploadServerCertificate")).toBe(uploads);
  });

  it("says which keys CloudFront takes, and limits nothing elsewhere", () => {
    const limits = (path: string) => awsIam.limits?.(awsIam.options.parse({ path }));
    expect(limits("/cloudfront/www/")?.keyTypes).not.toContain("ecdsa-p384");
    expect(limits("/cloudfront/www/")?.keyTypes).toContain("ecdsa-p256");
    expect(limits("/")).toEqual({});
  });

  it.each([
    [{ path: "cloudfront/" }, "slash"],
    [{ path: "/cloudfront" }, "slash"],
    [{ path: "/a b/" }, "slash"],
    [{ keep: 1 }, "keep"],
    [{ region: "nowhere" }, "eu-central-1"],
    [{ tags: { "aws:x": "y" } }, "reserved"],
  ])("refuses the options %j", (wrong, why) => {
    const result = awsIam.options.safeParse(wrong);
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
