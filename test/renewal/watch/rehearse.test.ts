// What a rehearsal records as a problem that a person has to fix.
import { expect, it } from "vitest";
import { unlimited } from "../../../src/domain/budget.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import { rehearse } from "../../../src/renewal/watch/rehearse.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const CERTIFICATE = modelCertificate("www");

/** Rehearses once for each failure of the staging CA, and returns what was recorded after each. */
async function problemsAfter(failures: readonly RenewalError[]): Promise<(string | null | undefined)[]> {
  await using bench = await Workbench.open([CERTIFICATE]);
  await bench.begin();
  const problems: (string | null | undefined)[] = [];
  for (const failure of failures) {
    bench.now += 1_000;
    const issue = () => Promise.reject(failure);
    await rehearse(bench.context, CERTIFICATE, { issuer: { issue }, budget: unlimited("ca") }, NO_SIGNAL);
    problems.push((await bench.store.certificates.get("www"))?.rehearsalProblem);
  }
  return problems;
}

const noDirectory = new RenewalError("acme.directory", "the staging URL is no ACME directory");
const down = new RenewalError("acme.server", "the staging CA is down");

it("a staging URL that is no directory is a problem when it answers so twice", async () => {
  expect(await problemsAfter([noDirectory, noDirectory])).toEqual([null, `order: ${noDirectory.message}`]);
});

it("a wrong answer once, as of a proxy, is not a problem", async () => {
  expect(await problemsAfter([noDirectory, down, noDirectory])).toEqual([null, null, null]);
});

it("a staging CA that is down again and again is not a problem of the certificate", async () => {
  expect(await problemsAfter([down, down, down])).toEqual([null, null, null]);
});

it("what only a person can fix is a problem at once", async () => {
  const refused = new RenewalError("acme.account", "the CA refuses the account");
  expect(await problemsAfter([refused])).toEqual([`order: ${refused.message}`]);
});

it("thirty targets that do not answer are all reported, and what there was no time for is said to be so", async () => {
  const targets = Array.from({ length: 30 }, (_, index) => `dead-${index}`);
  await using bench = await Workbench.open([{ ...CERTIFICATE, targets }]);
  await bench.begin();
  const preflight = () => new Promise<never>(() => {});
  const services = { ...bench.context.services, deployer: () => ({ deploy: preflight, preflight }) };
  const office = { issuer: null, budget: unlimited("ca") };
  const limits = { orderMs: 1_000, preflightMs: 100, preflightsMs: 250 };
  const steps = await rehearse({ ...bench.context, services }, { ...CERTIFICATE, targets }, office, NO_SIGNAL, limits);
  expect(steps.map(({ step }) => step)).toEqual(["order", ...targets.map((target) => `target ${target}`)]);
  const outcomes = Map.groupBy(steps.slice(1), ({ result, error }) => `${result} ${error?.code}`);
  expect(outcomes.get("failed deploy.timeout")?.length).toBeGreaterThanOrEqual(8);
  expect(outcomes.get("notChecked undefined")?.length).toBeGreaterThanOrEqual(1);
  const [event] = await bench.store.events.list({ types: ["certificate.rehearsed"], limit: 1 });
  expect(event?.detail.passed).toBe(false);
});

it("an order that does not end at the staging CA is reported as a failed step", async () => {
  await using bench = await Workbench.open([CERTIFICATE]);
  await bench.begin();
  const office = { issuer: { issue: () => new Promise<never>(() => {}) }, budget: unlimited("ca") };
  const limits = { orderMs: 20, preflightMs: 1_000, preflightsMs: 1_000 };
  const [order] = await rehearse(bench.context, CERTIFICATE, office, NO_SIGNAL, limits);
  expect(order).toMatchObject({ step: "order", result: "failed", error: { code: "acme.timeout" } });
});

it("an answer that is slow to appear is waited for, as nobody would resume a rehearsal", async () => {
  await using bench = await Workbench.open([CERTIFICATE]);
  await bench.begin();
  let attempts = 0;
  const issue = () => {
    attempts += 1;
    const code = attempts === 1 ? "challenge.waiting" : "acme.account";
    return Promise.reject(new RenewalError(code, "not yet", { retryAt: bench.now }));
  };
  const office = { issuer: { issue }, budget: unlimited("ca") };
  const [order] = await rehearse(bench.context, CERTIFICATE, office, NO_SIGNAL);
  expect([attempts, order?.error?.code]).toEqual([2, "acme.account"]);
});

it("a target that is ready says what only a deploy can try there", async () => {
  await using bench = await Workbench.open([CERTIFICATE]);
  await bench.begin();
  const deployer = () => ({
    deploy: () => Promise.reject(new Error("not in a rehearsal")),
    preflight: async () => {},
    untried: "the right to write",
  });
  const services = { ...bench.context.services, deployer };
  const [, target] = await rehearse(
    { ...bench.context, services },
    CERTIFICATE,
    { issuer: null, budget: unlimited("ca") },
    NO_SIGNAL,
  );
  expect(target).toMatchObject({
    result: "passed",
    message: "ready to be deployed to; only a deploy can try the right to write",
  });
});
