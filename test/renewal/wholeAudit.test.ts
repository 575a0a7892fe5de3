import { expect, it } from "vitest";
import { Secret } from "../../src/domain/secret.ts";
import { redeploy } from "../../src/renewal/operator/redeploy.ts";
import { rollBackRenewal } from "../../src/renewal/operator/rollBack.ts";
import { configure } from "../../src/renewal/plan/configure.ts";
import { planDue } from "../../src/renewal/plan/plan.ts";
import { draftReplacement, startReplacement } from "../../src/renewal/plan/replacement.ts";
import { boundInstants } from "../../src/renewal/watch/boundInstants.ts";
import { observeDue } from "../../src/renewal/watch/observe.ts";
import { BY_HAND, force, live } from "../support/model/staged.ts";
import { NO_SIGNAL } from "../support/model/workbench.ts";

const HOUR_MS = 3_600_000;

it("nothing that renewd does itself is a fault of an audit", async () => {
  await using bench = await live();
  const { context, store } = bench;
  const whole = async (when: string) => expect((await bench.audit()).stdout, when).toContain("the history is whole");
  await whole("issued");
  await force(bench);
  bench.now += HOUR_MS;
  await redeploy(context, { certificate: "www", targets: ["a"], generation: null, by: "ops" });
  await bench.work();
  await rollBackRenewal(context, BY_HAND);
  await bench.pass(HOUR_MS);
  await whole("renewed, deployed again and rolled back");
  await store.deployments.forget("www", "b");
  await store.certificates.update("www", { nextCheckAt: bench.now });
  await planDue(context, NO_SIGNAL);
  await bench.pass(HOUR_MS);
  await observeDue(context, NO_SIGNAL);
  await boundInstants(context, NO_SIGNAL);
  await whole("drifted, observed and bounded");
  await store.accounts.create("old", "https://ca.example/directory", new Secret("key"));
  await store.accounts.follow("new", "https://ca.example/directory", ["new"]);
  const request = {
    ...{ selection: { issuer: "ca" }, described: "--issuer ca", issuer: null },
    ...{ deadline: bench.now + HOUR_MS, waves: [], drill: "revoked" as const },
  };
  await startReplacement(context, request, await draftReplacement(context, request));
  await whole("an issuer renamed, a replacement begun");
  const { certificates } = bench;
  for (const configured of [[], certificates]) {
    bench.now += HOUR_MS;
    bench.certificates = configured;
    await configure(context, NO_SIGNAL);
    await whole(`${configured.length} certificates configured`);
  }
});
