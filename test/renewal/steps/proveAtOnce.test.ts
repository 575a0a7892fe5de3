// A server of this machine that takes a pair at once is looked at under the deployment's lease, where that is enough.
import { expect, it } from "vitest";
import type { Certificate } from "../../../src/domain/certificate.ts";
import type { Probe } from "../../../src/domain/probe.ts";
import type { Job } from "../../../src/domain/queue.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { deploy } from "../../../src/renewal/steps/deploy.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const AT = { host: "a", port: 443, sni: "www.example.org", target: "a" };
const ONE = { targets: ["a"], endpoints: [AT] };

/** Issued, with the deployment to target `a` in the queue. */
async function issued(patch: Partial<Certificate> = ONE): Promise<Workbench> {
  const bench = await Workbench.open([modelCertificate("www", patch)]);
  bench.answersAlone = true;
  await bench.begin();
  await bench.work("deploy");
  return bench;
}

async function deployed(bench: Workbench, patch: Partial<Context> = {}): Promise<Job["kind"][]> {
  const job = bench.jobs.shift();
  if (job?.kind !== "deploy") throw new Error("no deployment waits");
  await deploy({ ...bench.context, ...patch }, job.renewalId, job.target, NO_SIGNAL);
  return bench.jobs.map(({ kind }) => kind);
}

const story = async ({ store }: Workbench): Promise<string[]> =>
  (await store.events.list({ certificate: "www", limit: 20 })).map(({ type }) => type);

it("is proved with its deployment, and no verifier is asked", async () => {
  await using bench = await issued();
  expect(await deployed(bench)).toEqual([]);
  expect(await bench.renewal("www")).toMatchObject({ state: "succeeded", openClaims: 0, leaseUntil: null });
  expect((await story(bench)).slice(-6)).toEqual([
    ...["deploy.started", "deploy.succeeded", "verify.started", "verify.addressServed", "verify.converged"],
    "renewal.succeeded",
  ]);
  expect(await bench.store.observations.observations("www")).toMatchObject([{ evidence: { server: 4_321, good: 1 } }]);
});

it("and behind several targets, with the last of them", async () => {
  await using bench = await issued({});
  await deployed(bench);
  expect(await story(bench)).not.toContain("verify.started");
  await bench.work("verify");
  expect(bench.jobs).toEqual([]);
  expect((await bench.renewal("www")).state).toBe("succeeded");
  expect((await story(bench)).filter((type) => type === "verify.converged")).toHaveLength(2);
});

it("is deployed again when its process dies while it looks, and what that one records late is refused", async () => {
  await using bench = await issued();
  const { probe, settings } = bench.context;
  const looks = Promise.withResolvers<void>();
  const dead = Promise.withResolvers<never>();
  const observe: Probe["observe"] = () => {
    looks.resolve();
    return dead.promise;
  };
  const dying = deployed(bench, { probe: { ...probe, observe } });
  await looks.promise;
  expect(await bench.store.deployments.list("www")).toMatchObject([{ openClaims: 1, deployedGeneration: 0 }]);
  expect((await bench.renewal("www")).state).toBe("deploying");
  await bench.pass(2 * settings.leaseMs);
  expect(await bench.renewal("www")).toMatchObject({ state: "succeeded" });
  const before = await story(bench);
  dead.reject(new Error("the process is gone"));
  await dying;
  expect(await story(bench)).toEqual(before);
  expect(before.filter((type) => type === "deploy.started")).toHaveLength(2);
});

it("hands on to the verifiers that another certificate was served", async () => {
  await using bench = await issued();
  bench.target("a").lying = true;
  await deployed(bench);
  expect(await bench.store.observations.statuses("www")).toMatchObject([{ proved: false, roundEndedAt: null }]);
  expect(await bench.store.observations.observations("www")).toMatchObject([{ evidence: { lastWrongAt: bench.now } }]);
  bench.target("a").lying = false;
  bench.target("a").fingerprint = bench.target("a").file.fingerprint;
  await bench.work();
  expect((await bench.renewal("www")).state).toBe("succeeded");
});

it("and is left to the verifiers after one connection that another process answered", async () => {
  await using bench = await issued();
  let handshakes = 0;
  const { probe } = bench.context;
  const observe: Probe["observe"] = async (...request) => {
    handshakes += 1;
    const { byServer: _, ...seen } = await probe.observe(...request);
    return seen;
  };
  const settings = { ...bench.context.settings, proof: DEFAULT_SETTINGS.proof };
  expect(await deployed(bench, { probe: { ...probe, observe }, settings })).toEqual(["verify"]);
  // One group of them.
  expect(handshakes).toBe(3);
});

it.each([
  ["a server that serves another pair", ONE, { lying: true }, {}],
  ["a server of which nobody can tell that it alone answers", ONE, { alone: false }, {}],
  ["a process without the verifier's role", ONE, {}, { isVerifier: false }],
  ["an endpoint that another network looks at", { ...ONE, endpoints: [{ ...AT, vantage: "office" }] }, {}, {}],
] as const)("of %s only the deployment is recorded, and verifiers look", async (_, certificate, server, process) => {
  await using bench = await issued(certificate);
  Object.assign(bench.target("a"), server);
  bench.answersAlone = !("alone" in server);
  expect(await deployed(bench, process)).toEqual(["verify"]);
  expect((await bench.renewal("www")).state).toBe("verifying");
  expect((await story(bench)).at(-1)).toBe("deploy.succeeded");
});
