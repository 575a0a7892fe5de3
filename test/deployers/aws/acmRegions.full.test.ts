import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { awsAcm } from "../../../src/deployers/aws/acm.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import type { DeployReceipt } from "../../../src/domain/deployment.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { type AcmFake, startAcmFake } from "../../support/fakes/acm.ts";
import { useAwsTestCredentials } from "../../support/fakes/aws.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { servedFingerprint } from "../../support/servers/served.ts";

const NEVER = new AbortController().signal;
const [HERE, THERE] = ["eu-central-1", "us-east-1"];

beforeAll(useAwsTestCredentials);

function make(fake: AcmFake, more: Record<string, unknown> = {}): Deployer {
  return awsAcm.create(
    awsAcm.options.parse({ regions: [HERE, THERE], endpoint: fake.endpoint, ...more }),
    dependencies("edge"),
  );
}

/** Fingerprints by region. */
function held(fake: AcmFake): Record<string, string> {
  return Object.fromEntries(
    fake.certificates().map(({ arn, certPem }) => [arn.split(":")[3], readLeaf(certPem).fingerprint]),
  );
}

for (const [trouble, disturbance, code] of [
  ["down", { fault: "InternalFailure", status: 500 }, "deploy.unreachable"],
  ["throttled", { fault: "ThrottlingException", retryAfter: 60 }, "deploy.rateLimited"],
] as const) {
  deployerConformance(`aws-acm in two regions, one ${trouble}`, async () => {
    const fake = await startAcmFake({ regions: [HERE, THERE] });
    return {
      deployer: make(fake),
      // The region that can fail: the other must not be held back by it, which the tests below prove.
      stored: async () => held(fake)[THERE] ?? null,
      served: (certificate) => servedFingerprint(fake.tlsPort, `${certificate}.test`),
      async breakDown() {
        fake.disturb(`${THERE}/ImportCertificate`, disturbance);
        return { code, mend: async () => fake.calm() };
      },
      [Symbol.asyncDispose]: () => fake.stop(),
    };
  });
}

describe("aws-acm", () => {
  let fake: AcmFake;
  let issuer: PairIssuer;
  let rsa: PairIssuer;
  beforeAll(async () => {
    [issuer, rsa] = [await createPairIssuer(), await createPairIssuer("rsa-2048")];
  });
  beforeEach(async () => {
    fake = await startAcmFake({ regions: [HERE, THERE] });
  });
  afterEach(() => fake.stop());

  const issue = (generation: number, by = issuer) => by.issue({ certificate: "www", generation });
  const deploy = (pair: IssuedCertificate, previous: DeployReceipt | null = null, more: Record<string, unknown> = {}) =>
    make(fake, more).deploy({ pair, previous }, NEVER);
  const one = { regions: undefined, region: HERE };
  const tagsOf = (arn: unknown) => fake.certificates().find((entry) => entry.arn === arn)?.tags;
  const count = (action: string) => fake.actions.filter((asked) => asked === action).length;

  describe("in several regions", () => {
    it("imports into each and reports each ARN", async () => {
      const pair = await issue(1);
      const receipt = await deploy(pair);
      expect(receipt).toEqual({
        [`arn.${HERE}`]: expect.stringContaining(`:acm:${HERE}:`),
        [`arn.${THERE}`]: expect.stringContaining(`:acm:${THERE}:`),
        generation: 1,
        fingerprint: pair.leaf.fingerprint,
      });
      const again = await deploy(await issue(2), receipt);
      expect(again).toMatchObject({
        [`arn.${HERE}`]: receipt[`arn.${HERE}`],
        [`arn.${THERE}`]: receipt[`arn.${THERE}`],
      });
      expect(fake.certificates()).toHaveLength(2);
    });

    it("continues when a region fails, names it, and finishes it at the next attempt", async () => {
      const receipt = await deploy(await issue(1));
      const pair = await issue(2);
      fake.disturb(`${HERE}/ImportCertificate`, { fault: "InternalFailure", status: 500 });
      await expect(deploy(pair, receipt)).rejects.toMatchObject({
        code: "deploy.unreachable",
        message: expect.stringMatching(
          new RegExp(`^${HERE}: ACM in ${HERE}: ImportCertificate: .*; done in ${THERE}$`),
        ),
      });
      expect(held(fake)[THERE]).toBe(pair.leaf.fingerprint);
      const before = count("ImportCertificate");
      await deploy(pair, receipt);
      expect(held(fake)).toEqual({ [HERE]: pair.leaf.fingerprint, [THERE]: pair.leaf.fingerprint });
      expect(count("ImportCertificate")).toBe(before + 1);
    });

    it("finds what one region holds although another cannot be asked", async () => {
      const receipt = await deploy(await issue(1));
      const inspect = () => make(fake).inspect?.({ certificate: "www", previous: receipt }, NEVER);
      fake.disturb(`${THERE}/GetCertificate`, { fault: "InternalFailure", status: 500 });
      await expect(inspect()).rejects.toMatchObject({ code: "deploy.unreachable" });
      const newer = await issue(2);
      await deploy(newer, receipt, one);
      fake.disturb(`${THERE}/GetCertificate`, { fault: "InternalFailure", status: 500 });
      expect(await inspect()).toMatchObject({ fingerprint: newer.leaf.fingerprint });
    });

    it("creates no second ARN for a first import whose receipt was lost with another region's failure", async () => {
      const pair = await issue(1);
      fake.disturb(`${HERE}/ImportCertificate`, { fault: "InternalFailure", status: 500 });
      await expect(deploy(pair)).rejects.toMatchObject({ code: "deploy.unreachable" });
      await deploy(pair);
      expect(fake.certificates()).toHaveLength(2);
    });

    it("retries when a region can still succeed, after the longest wait that a region asks for", async () => {
      fake.disturb(`${HERE}/ListCertificates`, { fault: "LimitExceededException" });
      fake.disturb(`${THERE}/ListCertificates`, { fault: "ThrottlingException", retryAfter: 300 });
      const error: unknown = await deploy(await issue(1)).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({
        code: "deploy.rateLimited",
        retryAt: expect.any(Number),
        message: expect.stringMatching(`${HERE}: .*; ${THERE}: `),
      });
      const wait = Number(error instanceof Error && "retryAt" in error ? error.retryAt : null) - Date.now();
      expect(wait).toBeGreaterThan(280_000);
      expect(wait).toBeLessThanOrEqual(300_000);
    });

    it("is refused for good when no region can succeed later", async () => {
      fake.disturb(`${THERE}/ListCertificates`, { fault: "LimitExceededException" });
      await expect(deploy(await issue(1))).rejects.toMatchObject({
        code: "deploy.refused",
        message: expect.stringMatching(`^${THERE}: .*; done in ${HERE}$`),
      });
    });

    it("keeps the ARN when the target had one region before, and when it has one again", async () => {
      const first = await deploy(await issue(1), null, one);
      const listed = count("ListCertificates");
      const second = await deploy(await issue(2), first);
      expect(second[`arn.${HERE}`]).toBe(first.arn);
      expect(count("ListCertificates")).toBe(listed + 1);
      const third = await deploy(await issue(3), second, one);
      expect(third.arn).toBe(first.arn);
      expect(count("ListCertificates")).toBe(listed + 1);
    });

    it("names the region that preflight fails in", async () => {
      fake.disturb(`${THERE}/ListCertificates`, { fault: "AccessDeniedException" });
      await expect(make(fake).preflight?.("www", null, NEVER)).rejects.toMatchObject({
        code: "deploy.forbidden",
        message: expect.stringMatching(`^${THERE}: .*acm:ListCertificates`),
      });
    });

    it("reports a used-up quota with the action to take", async () => {
      await fake.stop();
      fake = await startAcmFake({ regions: [HERE, THERE], quota: 1 });
      await deploy(await issuer.issue({ certificate: "other", generation: 1 }), null, one);
      await expect(deploy(await issue(1))).rejects.toMatchObject({
        code: "deploy.refused",
        message: expect.stringMatching(new RegExp(`^${HERE}: .*Service Quotas.*2,500.*; done in ${THERE}$`)),
      });
    });
  });

  describe("with newArnOnKeyChange", () => {
    const anew = { ...one, newArnOnKeyChange: true };

    it("imports another key under a new ARN, reports both, and keeps the new one from then on", async () => {
      const first = await deploy(await issue(1), null, anew);
      const pair = await issue(2, rsa);
      await expect(make(fake, anew).preflight?.("www", pair.leaf, NEVER)).resolves.toBeUndefined();
      const second = await deploy(pair, first, { ...anew, tags: { team: "edge" } });
      expect(second).toEqual({
        arn: expect.any(String),
        previousArn: first.arn,
        generation: 2,
        fingerprint: pair.leaf.fingerprint,
      });
      expect(second.arn).not.toBe(first.arn);
      expect(tagsOf(second.arn)).toEqual({
        team: "edge",
        "renewd:certificate": "www",
        "renewd:generation": "2",
        "renewd:previous-arn": first.arn,
      });
      const third = await deploy(await issue(3, rsa), second, anew);
      expect(third).toMatchObject({ arn: second.arn, previousArn: first.arn });
      expect(fake.certificates()).toHaveLength(2);
    });

    it("does not touch the certificate of the old ARN", async () => {
      const old = await issue(1);
      const { arn } = await deploy(old, null, anew);
      await deploy(await issue(2, rsa), null, anew);
      const [before] = fake.certificates().filter((entry) => entry.arn === arn);
      expect(readLeaf(before?.certPem ?? "").fingerprint).toBe(old.leaf.fingerprint);
    });

    it("finds the new ARN that an attempt imported but did not record", async () => {
      const first = await deploy(await issue(1), null, anew);
      const pair = await issue(2, rsa);
      fake.disturb("ImportCertificate", "reset");
      await expect(deploy(pair, first, anew)).rejects.toMatchObject({ code: "deploy.unreachable" });
      expect(fake.certificates()).toHaveLength(2);
      for (const previous of [first, null])
        expect(await deploy(pair, previous, anew)).toMatchObject({ previousArn: first.arn, generation: 2 });
      expect(fake.certificates()).toHaveLength(2);
    });

    it("takes the first ARN again when the key type changes back", async () => {
      const first = await deploy(await issue(1), null, anew);
      const second = await deploy(await issue(2, rsa), first, anew);
      const third = await deploy(await issue(3), second, anew);
      expect(third).toMatchObject({ arn: first.arn, previousArn: second.arn, generation: 3 });
      expect(fake.certificates()).toHaveLength(2);
    });

    it("refuses a generation older than the new ARN's, whichever ARN was recorded", async () => {
      const first = await deploy(await issue(1), null, anew);
      const second = await deploy(await issue(3, rsa), first, anew);
      for (const by of [issuer, rsa]) {
        for (const previous of [first, second, null]) {
          // Its key fits the first ARN, which is the older one: only there it is not known to be late.
          if (by === issuer && previous === first) continue;
          await expect(deploy(await issue(2, by), previous, anew)).rejects.toMatchObject({
            code: "deploy.newerGeneration",
          });
        }
      }
    });

    it("also moves on from a configured ARN", async () => {
      const { arn } = await deploy(await issue(1), null, one);
      const receipt = await deploy(await issue(2, rsa), null, { ...anew, arn });
      expect(receipt).toMatchObject({ previousArn: arn });
      expect(await deploy(await issue(3, rsa), receipt, { ...anew, arn })).toMatchObject({
        arn: receipt.arn,
        previousArn: arn,
      });
      expect(fake.certificates()).toHaveLength(2);
    });
  });

  it("says which keys and names ACM takes", () => {
    expect(awsAcm.limits?.(awsAcm.options.parse({ region: HERE }))).toEqual({
      keyTypes: ["rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ecdsa-p384"],
      identifierTypes: ["dns", "ip"],
    });
  });

  it.each([
    [{}, "either"],
    [{ region: HERE, regions: [THERE] }, "either"],
    [{ regions: [HERE, HERE] }, "twice"],
    [{ regions: [] }, "regions"],
    [{ regions: [HERE], arn: `arn:aws:acm:${HERE}:123456789012:certificate/a` }, "must be an ARN of"],
    [{ region: HERE, arn: `arn:aws:acm:${THERE}:123456789012:certificate/a` }, "must be an ARN of"],
  ])("refuses the options %j", (wrong, why) => {
    const result = awsAcm.options.safeParse(wrong);
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
