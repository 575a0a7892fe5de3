// Several networks must agree: each proves the endpoints by its own verifiers, and a difference names who sees what.
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Probe } from "../../../src/domain/probe.ts";
import type { Version } from "../../../src/domain/version.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { deploy } from "../../../src/renewal/steps/deploy.ts";
import { issue } from "../../../src/renewal/steps/issue.ts";
import { sweep } from "../../../src/renewal/steps/sweep.ts";
import { verify } from "../../../src/renewal/steps/verify.ts";
import { observeDue } from "../../../src/renewal/watch/observe.ts";
import { certificatesReport } from "../../../src/reports/certificates.ts";
import { statusReport } from "../../../src/reports/status.ts";
import { DAY_MS, heartbeat } from "../../support/model/facts.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const PLACE = { host: "lb", port: 443, sni: "www.example.org", target: "a" };
const ENDPOINTS = ["office", "internet"].map((vantage) => ({ ...PLACE, vantage }));
const WWW = modelCertificate("www", { targets: ["a"], endpoints: ENDPOINTS, verifyTimeoutMs: 2_000 });

type Vantage = "office" | "internet";

let bench: Workbench;
/** What each network shows, where it is not what is wanted. */
let shows: Partial<Record<Vantage, Version>>;

beforeEach(async () => {
  bench = await Workbench.open([WWW]);
  shows = {};
});
afterEach(() => bench[Symbol.asyncDispose]());

/** A verifier in that network. */
function from(vantage: Vantage): Context {
  const observe: Probe["observe"] = async ({ port, sni }, address, wanted) => {
    const version = shows[vantage] ?? wanted ?? expect.unreachable();
    const { fingerprint, serial, issuerName, notBefore, notAfter } = version.leaf;
    const served = { fingerprint, serial, issuer: issuerName, notBefore, notAfter, subjectAltNames: [sni], chain: [] };
    const problem = version === wanted || shows[vantage] === undefined ? null : stale(serial);
    return { address, port, sni, at: bench.now, durationMs: 1, served, problem };
  };
  const settings = { ...bench.context.settings, leaseMs: 600_000 };
  return { ...bench.context, settings, vantage, probe: { addresses: async () => ["192.0.2.1"], observe } };
}

function stale(serial: string) {
  return { code: "verify.stale", message: `serves serial ${serial}` };
}

async function beat(...vantages: readonly Vantage[]): Promise<void> {
  await bench.store.health.beat(
    vantages.map((vantage) => heartbeat({ process: vantage, role: "verifier", vantage, beatAt: bench.now })),
  );
}

/** Carries out the jobs; verifications only of the networks that have a verifier. */
async function work(...verifiers: readonly Vantage[]): Promise<(string | null)[]> {
  const left: (string | null)[] = [];
  await sweep(bench.context, NO_SIGNAL);
  for (let job = bench.jobs.shift(); job !== undefined; job = bench.jobs.shift()) {
    await beat(...verifiers);
    if (job.kind === "issue") await issue(bench.context, job.renewalId, NO_SIGNAL);
    else if (job.kind === "deploy") await deploy(bench.context, job.renewalId, job.target, NO_SIGNAL);
    else {
      const vantage = verifiers.find((each) => job.kind === "verify" && each === job.vantage);
      if (vantage === undefined) left.push(job.vantage);
      else await verify(from(vantage), job.renewalId, NO_SIGNAL);
    }
  }
  return left;
}

async function renew(...verifiers: readonly Vantage[]): Promise<(string | null)[]> {
  await beat(...verifiers);
  await configure(bench.context, NO_SIGNAL);
  await planDue(bench.context, NO_SIGNAL);
  return work(...verifiers);
}

async function events(type: "verify.vantagesDiffer" | "verify.converged") {
  return (await bench.store.events.list({ certificate: "www", types: [type], limit: 9 })).map(({ detail }) => detail);
}

const state = async (): Promise<string> => (await bench.renewal("www")).state;

it("succeeds once every vantage has proved the endpoint, each by its own verifier", async () => {
  expect(await renew("office", "internet")).toEqual([]);
  expect(await state()).toBe("succeeded");
  expect((await events("verify.converged")).map(({ endpoint }) => endpoint)).toEqual([
    "www.example.org@lb:443 from office",
    "www.example.org@lb:443 from internet",
  ]);
  expect(await events("verify.vantagesDiffer")).toEqual([]);
});

it("fails where one network still sees the generation before, and says which sees what", async () => {
  await renew("office", "internet");
  shows = { office: (await bench.store.versions.get("www", 1)) ?? expect.unreachable() };
  bench.now += 80 * DAY_MS;
  await bench.store.certificates.update("www", { nextCheckAt: bench.now });
  await renew("office", "internet");
  expect(await state()).toBe("failed");
  expect(await bench.store.certificates.get("www")).toMatchObject({
    lastErrorCode: "verify.stale",
    lastErrorMessage: expect.stringMatching(
      /^endpoint www.example.org@lb:443 from office: .* serves serial .*; internet sees generation 2$/,
    ),
  });
  expect(await events("verify.vantagesDiffer")).toEqual([
    { endpoint: "www.example.org@lb:443", difference: "office sees generation 1, internet sees generation 2" },
  ]);
  const { certificates } = await certificatesReport(bench.store, [WWW], bench.now);
  expect(certificates[0]).toMatchObject({
    state: "failing",
    vantages: [
      {
        endpoint: "www.example.org@lb:443",
        difference: "office sees generation 1, internet sees generation 2",
        views: [
          { vantage: "office", sees: "generation 1", proved: false },
          { vantage: "internet", sees: "generation 2", proved: true },
        ],
      },
    ],
  });
  const { problems } = await statusReport(bench.store, [WWW], bench.now);
  expect(problems[0]?.problems.map(({ what }) => what)).toContain(
    "1 endpoint of 2 not serving generation 2: office sees generation 1, internet sees generation 2",
  );
});

it("waits for a silent vantage, unknown and never green, and goes on when its verifier comes back", async () => {
  expect(await renew("internet")).toContain("office");
  bench.now += DAY_MS;
  await work("internet");
  expect(await state()).toBe("verifying");
  const { notices, problems } = await statusReport(bench.store, [WWW], bench.now);
  expect(notices).toContainEqual(
    expect.objectContaining({
      id: "role/verifier/office",
      what: "no verifier of vantage office runs, so what is served there is unknown: none has been started yet",
      action: "Start one in that network: `renewd worker verifier --vantage office`.",
      needsPerson: true,
    }),
  );
  expect(JSON.stringify(problems)).not.toContain("takes no work");
  expect((await certificatesReport(bench.store, [WWW], bench.now)).certificates[0]).toMatchObject({
    vantages: [
      {
        difference: null,
        views: [
          { vantage: "office", sees: "nothing yet", lookedAt: null, proved: false },
          { vantage: "internet", proved: true },
        ],
      },
    ],
  });
  bench.now += bench.context.settings.requeueMs;
  await beat("internet", "office");
  await work("internet", "office");
  expect(await state()).toBe("succeeded");
});

it("does not wait for a silent vantage longer than until the next pair is due, and takes nothing back for it", async () => {
  await renew("internet");
  const { leaf } = (await bench.store.versions.latest("www")) ?? expect.unreachable();
  bench.now = leaf.notAfter - DAY_MS;
  await work("internet");
  expect(await state()).toBe("failed");
  expect(await bench.store.certificates.get("www")).toMatchObject({ lastErrorCode: "verify.vantageSilent" });
});

it("observes from each vantage in its own time, and confirms what all of them see", async () => {
  await renew("office", "internet");
  const first = (await bench.store.versions.get("www", 1)) ?? expect.unreachable();
  bench.now += DAY_MS;
  const leaf = { ...first.leaf, fingerprint: "ff".repeat(32), serial: "0f", issuerName: "Other CA" };
  shows = { office: { ...first, leaf } };
  expect(await observeDue(from("internet"), NO_SIGNAL)).toBe(1);
  expect(await observeDue(from("internet"), NO_SIGNAL)).toBe(0);
  expect(await events("verify.vantagesDiffer")).toEqual([]);
  expect(await observeDue(from("office"), NO_SIGNAL)).toBe(1);
  expect(await events("verify.vantagesDiffer")).toEqual([
    {
      endpoint: "www.example.org@lb:443",
      difference: "office sees serial 0f by Other CA, internet sees generation 1",
    },
  ]);
});
