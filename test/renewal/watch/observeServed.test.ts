// `mode: observe` beside other tooling: renewd has no pair of the certificate and watches what the endpoint serves.
import { afterEach, beforeEach, expect, it } from "vitest";
import { renderCertificate } from "../../../src/cli/render/certificates.ts";
import type { Observation, ServedCertificate } from "../../../src/domain/endpoint.ts";
import type { Probe } from "../../../src/domain/probe.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { warnOfExpiry } from "../../../src/renewal/plan/expiry.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { judgeCertificates, troubled } from "../../../src/renewal/watch/faults.ts";
import { observeDue } from "../../../src/renewal/watch/observe.ts";
import { certificatesReport } from "../../../src/reports/certificates.ts";
import { statusReport } from "../../../src/reports/status.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const DAY_MS = 86_400_000;
const ENDPOINT = { host: "a", port: 443, sni: "www.example.org", target: "a" };
const WWW = {
  ...modelCertificate("www", { targets: ["a"], endpoints: [ENDPOINT] }),
  mode: "observe" as const,
  identifiers: [{ type: "dns" as const, value: "www.example.org" }],
};

let bench: Workbench;
let context: Context;
let served: ServedCertificate | null;

function servedUntil(notAfter: number, name = "www.example.org"): ServedCertificate {
  const serial = (notAfter / DAY_MS).toFixed(0);
  const life = { notBefore: notAfter - 90 * DAY_MS, notAfter };
  return { fingerprint: serial, serial, subjectAltNames: [name], issuer: "CN=Other CA", ...life, chain: [] };
}

beforeEach(async () => {
  bench = await Workbench.open([WWW]);
  served = servedUntil(bench.now + 40 * DAY_MS);
  const observe: Probe["observe"] = async ({ port, sni }, address): Promise<Observation> => {
    const problem = served === null ? { code: "verify.unreachable", message: "connection refused" } : null;
    return { address, port, sni, at: bench.now, durationMs: 1, served, problem };
  };
  context = { ...bench.context, probe: { addresses: async ({ host }) => [host], observe } };
  await configure(context, NO_SIGNAL);
});
afterEach(() => bench[Symbol.asyncDispose]());

async function look(): Promise<void> {
  const at = (await bench.store.certificates.get("www"))?.nextObservationAt ?? expect.unreachable();
  bench.now = Math.max(bench.now, at);
  await planDue(context, NO_SIGNAL);
  await observeDue(context, NO_SIGNAL);
  await warnOfExpiry(context, NO_SIGNAL);
}

const status = (): ReturnType<typeof statusReport> => statusReport(bench.store, bench.certificates, bench.now);
const alerts = async () => judgeCertificates(context, ["www", ...(await troubled(context))], NO_SIGNAL);
const kinds = async () => (await status()).problems.flatMap(({ problems }) => problems.map(({ kind }) => kind));

it("shows what the endpoint serves and when it ends, without a pair, an order or a deployment", async () => {
  await look();
  const { certificates } = await certificatesReport(bench.store, bench.certificates, bench.now);
  expect(certificates).toMatchObject([
    {
      state: "observed",
      generation: null,
      clientsUntil: new Date(served?.notAfter ?? 0).toISOString(),
      endpoints: [{ errorCode: null, addresses: [{ serial: served?.serial, issuer: "CN=Other CA", problem: null }] }],
    },
  ]);
  const [entry = expect.unreachable()] = certificates;
  const at = new Date(bench.now).toISOString();
  expect(renderCertificate(entry, at, { width: 100, colours: false })).toMatch(/by CN=Other CA, expires in 40 d/);
  const { summary, problems } = await status();
  expect(problems).toEqual([]);
  expect(summary).toMatchObject({ observed: 1, notIssued: 0, nextExpiry: { certificate: "www" } });
  expect(await alerts()).toEqual([]);
  expect([bench.jobs, bench.ca.orders, await bench.store.renewals.list({ limit: 1 })]).toEqual([[], 0, []]);
});

it("warns before it ends, and again when it has; a newer one that other tooling put there ends that", async () => {
  await look();
  bench.now = (served?.notAfter ?? 0) - DAY_MS;
  await look();
  expect(await kinds()).toEqual(["expiring"]);
  expect(await alerts()).toMatchObject([{ certificate: "www", rule: "expiring", severity: "page" }]);
  bench.now += 2 * DAY_MS;
  await look();
  expect(await kinds()).toContain("expired");
  const warnings = await bench.store.events.list({ types: ["certificate.expiring"], limit: 9 });
  expect(warnings.map(({ detail }) => detail.expired)).toEqual([false, true]);
  served = servedUntil(bench.now + 90 * DAY_MS);
  await look();
  expect([await kinds(), await alerts()]).toEqual([[], []]);
});

it.each([
  ["nothing at all", null, "verify.unreachable"],
  ["a certificate for another name", "other.example.org", "verify.wrongCertificate"],
] as const)("an endpoint that serves %s is a problem, an event once and an alert", async (_, name, code) => {
  served = name === null ? null : servedUntil(bench.now + DAY_MS * 40, name);
  await look();
  await look();
  const { needsPerson, problems } = await status();
  expect([needsPerson, problems]).toMatchObject([true, [{ certificate: "www", errors: [{ code }] }]]);
  expect(problems[0]?.actions.join(), "what is only observed cannot be retried").not.toContain("renewd retry");
  const events = await bench.store.events.list({ certificate: "www", types: ["verify.stale"], limit: 9 });
  expect(events).toMatchObject([{ detail: { code } }]);
  expect(await alerts()).toMatchObject([{ certificate: "www", rule: "endpointStale", code }]);
  expect(bench.jobs).toEqual([]);
});

it("finds the one member of ten that still serves the old certificate, and names both", async () => {
  const old = servedUntil(bench.now + DAY_MS * 20);
  const next = servedUntil(bench.now + DAY_MS * 80);
  let connections = 0;
  const observe: Probe["observe"] = async ({ port, sni }, address) => {
    const here = connections++ % 10 === 7 ? old : next;
    return { address, port, sni, at: bench.now, durationMs: 1, served: here, problem: null };
  };
  Object.assign(context, { probe: { ...context.probe, observe } });
  await look();
  const [status] = await bench.store.observations.statuses("www");
  expect(status).toMatchObject({ proved: false, errorCode: "verify.stale" });
  expect(status?.errorMessage).toMatch(new RegExp(`^a: serves serial ${old.serial} .* and serial ${next.serial} `));
  expect(await alerts()).toMatchObject([{ certificate: "www", rule: "endpointStale", code: "verify.stale" }]);
  connections = Number.MIN_SAFE_INTEGER;
  await look();
  expect((await bench.store.observations.statuses("www"))[0]).toMatchObject({ proved: true, errorCode: null });
});
