import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { kubernetes } from "../../../src/deployers/kubernetes/kubernetes.ts";
import type { DeployReceipt } from "../../../src/domain/deployment.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { type KubernetesFake, startKubernetesFake } from "../../support/fakes/kubernetes.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";

const NEVER = new AbortController().signal;

describe("how kubernetes is reached", () => {
  let fake: KubernetesFake;
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
    fake = await startKubernetesFake();
  });
  afterAll(() => fake.stop());

  const issue = (generation: number) => issuer.issue({ certificate: "www", generation });
  const deploy = (pair: IssuedCertificate, more: Record<string, unknown>): Promise<DeployReceipt> =>
    kubernetes
      .create(
        kubernetes.options.parse({ kubeconfig: fake.kubeconfig, namespace: "web", ...more }),
        dependencies("cluster"),
      )
      .deploy({ pair, previous: null }, NEVER);

  it("says what is wrong with a kubeconfig, and never trusts a server unverified", async () => {
    const directory = await mkdtemp(join(tmpdir(), "renewd-kube-"));
    try {
      const missing = join(directory, "missing");
      const broken = join(directory, "broken");
      await writeFile(broken, "users: [ {token: hunter2");
      await expect(deploy(await issue(1), { kubeconfig: missing })).rejects.toMatchObject({
        code: "deploy.io",
        message: expect.stringContaining(missing),
      });
      const error = await deploy(await issue(1), { kubeconfig: broken }).catch((thrown: unknown) => thrown);
      expect(error).toMatchObject({ code: "deploy.refused" });
      expect(inspect(error, { depth: 10 })).not.toContain("hunter2");
      await expect(deploy(await issue(1), { context: "nowhere" })).rejects.toMatchObject({
        code: "deploy.refused",
        message: expect.stringContaining("context nowhere"),
      });
      await expect(deploy(await issue(1), { context: "careless" })).rejects.toMatchObject({
        code: "deploy.refused",
        message: expect.stringContaining("verification off"),
      });
    } finally {
      await rm(directory, { recursive: true });
    }
  });

  it.each([
    [{ namespace: "Web" }, "namespace"],
    [{ secret: "{certificate}_tls" }, "at most 253"],
    [{ secret: "../{certificate}" }, "at most 253"],
    [{ labels: { "renewd/generation": "9" } }, "renewd's own"],
    [{ labels: { team: "a b" } }, "label value"],
    [{ annotations: { "a b": "c" } }, "valid key"],
    [{ kubeconfig: "config" }, "absolute"],
  ])("refuses the options %j", (wrong, why) => {
    const result = kubernetes.options.safeParse({ namespace: "web", ...wrong });
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
