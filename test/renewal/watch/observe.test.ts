import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Probe } from "../../../src/domain/probe.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { staleEndpoints } from "../../../src/renewal/rules/reasons.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { deploy } from "../../../src/renewal/steps/deploy.ts";
import { issue } from "../../../src/renewal/steps/issue.ts";
import { verify } from "../../../src/renewal/steps/verify.ts";
import { observeDue } from "../../../src/renewal/watch/observe.ts";
import { certificatesReport } from "../../../src/reports/certificates.ts";
import { statusReport } from "../../../src/reports/status.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const MINUTE_MS = 60_000;
const ENDPOINT = { host: "a", port: 443, sni: "www.example.org", target: "a" };
const WWW = modelCertificate("www", { targets: ["a"], endpoints: [ENDPOINT], verifyTimeoutMs: 5_000 });

let bench: Workbench;
let context: Context;
/** What the address answers to its n-th connection. */
let isOld: (connection: number) => boolean;
let connections: number;

beforeEach(async () => {
  bench = await Workbench.open([WWW]);
  isOld = () => false;
  connections = 0;
  const observe: Probe["observe"] = async ({ port, sni }, address) => {
    connections += 1;
    const problem = isOld(connections) ? { code: "verify.stale", message: "serves serial 00" } : null;
    return { address, port, sni, at: bench.now, durationMs: 1, served: null, problem };
  };
  // The bench's time runs faster than the timers that extend leases.
  const settings = { ...bench.context.settings, proof: DEFAULT_SETTINGS.proof, leaseMs: 10 * MINUTE_MS };
  context = {
    ...bench.context,
    settings,
    probe: { addresses: async ({ host }) => [host], observe },
  };
});
afterEach(() => bench[Symbol.asyncDispose]());

async function renew(): Promise<void> {
  await configure(context, NO_SIGNAL);
  await planDue(context, NO_SIGNAL);
  for (let job = bench.jobs.shift(); job !== undefined; job = bench.jobs.shift()) {
    if (job.kind === "issue") await issue(context, job.renewalId, NO_SIGNAL);
    if (job.kind === "deploy") await deploy(context, job.renewalId, job.target, NO_SIGNAL);
    if (job.kind === "verify") await verify(context, job.renewalId, NO_SIGNAL);
  }
}

async function look(): Promise<void> {
  const at = (await bench.store.certificates.get("www"))?.nextObservationAt ?? bench.now;
  bench.now = Math.max(bench.now, at);
  await observeDue(context, NO_SIGNAL);
}

async function facts() {
  const { store } = bench;
  const [status] = await store.observations.statuses("www");
  return {
    state: (await bench.renewal("www")).state,
    status,
    record: await store.certificates.get("www"),
    version: await store.versions.latest("www"),
    events: await store.events.list({
      certificate: "www",
      types: ["verify.stale", "verify.converged", "certificate.expiring"],
      limit: 100,
    }),
  };
}

describe("observing after a failed verification", () => {
  it("does not take lucky handshakes for success, and looks every minute while the address is mixed", async () => {
    isOld = (connection) => connection % 8 === 0;
    await renew();
    expect(await facts()).toMatchObject({
      state: "failed",
      record: { failures: 1, lastErrorCode: "verify.mixed" },
      status: {
        proved: false,
        errorCode: "verify.mixed",
        errorMessage: expect.stringMatching(/serves 2 certificates: 1\d % another certificate/),
      },
    });
    for (let looks = 0; looks < 20; looks += 1) {
      const before = bench.now;
      await look();
      expect(bench.now - before).toBeLessThan(2 * MINUTE_MS);
      const found = await facts();
      expect(found.status).toMatchObject({ proved: false, errorCode: "verify.mixed" });
      expect(found.version?.verifiedAt).toBeNull();
      expect(found.record?.failures).toBe(1);
    }
  });

  it("proves the version and clears the failure once the rule is met", async () => {
    isOld = (connection) => connection % 2 === 0;
    await renew();
    isOld = () => false;
    for (let looks = 0; looks < 5 && (await facts()).version?.verifiedAt === null; looks += 1) await look();
    expect(await facts()).toMatchObject({
      status: { proved: true, errorCode: null },
      record: { failures: 0, lastErrorCode: null },
      version: { verifiedAt: expect.any(Number) },
    });
  });
});

describe("observing a proved address", () => {
  it("reopens the case at one late old certificate: an event, a status, and drift", async () => {
    await renew();
    expect(await facts()).toMatchObject({ state: "succeeded", status: { proved: true } });
    const late = connections + 2;
    isOld = (connection) => connection === late;
    await look();
    const { status, events } = await facts();
    expect(status).toMatchObject({ proved: false, errorCode: "verify.mixed" });
    expect(events.map(({ type }) => type)).toEqual(["verify.converged", "verify.stale"]);
    expect(events.at(-1)?.detail).toMatchObject({ code: "verify.mixed" });
    await planDue(context, NO_SIGNAL);
    expect(await bench.renewal("www")).toMatchObject({ reason: "drift", generation: 1 });
  });

  it("adds to the evidence look by look, and keeps it in the database", async () => {
    await renew();
    const good = async () => (await bench.store.observations.observations("www"))[0]?.evidence?.good ?? 0;
    const before = await good();
    expect(before).toBeGreaterThanOrEqual(40);
    await look();
    await look();
    expect(await good()).toBe(before + 2 * bench.context.settings.lookConnections);
  });
});

describe("a restored certificate", () => {
  it("is not trusted because of a lucky handshake: 1 of 8 connections serves something newer", async () => {
    await renew();
    await bench.store.certificates.update("www", {
      ...{ restoredAt: bench.now, generationFloor: 1_000, nextCheckAt: bench.now },
    });
    const { leaf } = (await bench.store.versions.latest("www")) ?? expect.unreachable();
    const served = {
      ...{ serial: "0B", subjectAltNames: ["www.example.org"], issuer: leaf.issuerName, chain: [] },
      notAfter: leaf.notAfter,
    };
    const observe: Probe["observe"] = async ({ port, sni }, address) => {
      connections += 1;
      const isNewer = connections % 8 === 7;
      return {
        ...{ address, port, sni, at: bench.now, durationMs: 1 },
        served: isNewer
          ? { ...served, fingerprint: "dd".repeat(32), notBefore: leaf.notBefore + 1_000 }
          : { ...served, fingerprint: leaf.fingerprint, notBefore: leaf.notBefore },
        problem: isNewer ? { code: "verify.stale", message: "serves serial 0B" } : null,
      };
    };
    connections = 0;
    await planDue({ ...context, probe: { ...context.probe, observe } }, NO_SIGNAL);
    expect(await bench.renewal("www")).toMatchObject({ reason: "restored", generation: 1_001 });
  });
});

describe("an address that cannot be dialled from here", () => {
  const SIX = "2001:db8::1";
  const FOUR = "192.0.2.1";

  function withTwoAddresses(undialable: "report" | "fail"): void {
    const { observe } = context.probe;
    context = {
      ...context,
      settings: { ...context.settings, undialable },
      probe: {
        ...context.probe,
        addresses: async () => [SIX, FOUR],
        async observe(endpoint, address, ...rest) {
          const seen = await observe(endpoint, address, ...rest);
          const problem = { code: "verify.undialable", message: "cannot be dialled from here" };
          return address === SIX ? { ...seen, problem } : seen;
        },
      },
    };
  }

  it("is reported, and the others prove the endpoint", async () => {
    withTwoAddresses("report");
    await renew();
    const { state, status, events } = await facts();
    expect({ state, status }).toMatchObject({ state: "succeeded", status: { proved: true, errorCode: null } });
    expect(events.at(-1)?.detail).toMatchObject({ addresses: 1, notDialled: [SIX] });
    const [entry] = (await certificatesReport(bench.store, [WWW], bench.now)).certificates;
    expect(entry?.endpoints[0]?.addresses).toMatchObject([
      { address: `${FOUR}:443`, dialable: true, problem: null },
      { address: `[${SIX}]:443`, dialable: false },
    ]);
    await look();
    expect(await facts()).toMatchObject({ status: { proved: true }, events: { length: 1 } });
  });

  it("keeps the endpoint from being proved where the policy says so, and does not deploy again for it", async () => {
    withTwoAddresses("fail");
    await renew();
    const { state, status, version } = await facts();
    expect({ state, status }).toMatchObject({
      state: "failed",
      status: { proved: false, errorCode: "verify.undialable" },
    });
    expect(staleEndpoints(WWW, version?.generation ?? 0, status === undefined ? [] : [status])).toEqual([]);
  });
});

it("after endpoints that do not answer, status says when they are dialled again, not when a renewal is due", async () => {
  await renew();
  context = {
    ...context,
    probe: {
      ...context.probe,
      observe: async ({ port, sni }, address) => ({
        ...{ address, port, sni, at: bench.now, durationMs: 1, served: null },
        problem: { code: "verify.unreachable", message: "connection refused" },
      }),
    },
  };
  await look();
  await planDue(context, NO_SIGNAL);
  const { record } = await facts();
  const [trouble] = (await statusReport(bench.store, [WWW], bench.now)).problems;
  const at = new Date(record?.nextObservationAt ?? 0).toISOString();
  expect(trouble).toMatchObject({
    errors: [{ code: "verify.unreachable", nextAttemptAt: at }],
    next: { at, what: "its endpoints are dialled again" },
  });
  expect((record?.nextObservationAt ?? 0) - bench.now).toBeLessThan(20 * MINUTE_MS);
});
