import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { inspectDue } from "../../../src/renewal/watch/inspect.ts";
import { observeDue } from "../../../src/renewal/watch/observe.ts";
import { certificatesReport } from "../../../src/reports/certificates.ts";
import { statusReport } from "../../../src/reports/status.ts";
import type { ModelTarget } from "../../support/model/peers.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const WWW = modelCertificate("www");
const FOREIGN = "cc".repeat(32);

let bench: Workbench;

beforeEach(async () => {
  bench = await Workbench.open([WWW]);
  await bench.begin();
  await bench.work();
  await inspectLater();
});
afterEach(() => bench[Symbol.asyncDispose]());

function target(name: string): ModelTarget {
  return bench.targets.get(name) ?? expect.unreachable();
}

/** When the next inspection of everything is due. */
async function inspectLater(
  context: Context = bench.context,
  agentOf: readonly string[] = [],
  clock: { now: number } = bench,
): Promise<number> {
  clock.now += 2 * context.settings.observeMs;
  return inspectDue(context, agentOf, NO_SIGNAL);
}

async function heal(): Promise<void> {
  // A verification counts only if it is later than the deployment.
  bench.now += 1_000;
  await planDue(bench.context, NO_SIGNAL);
  await bench.work();
}

async function drifts(): Promise<unknown[]> {
  const found = await bench.store.events.list({ types: ["target.drifted"], limit: 100 });
  return found.map(({ target: name, detail }) => `${name} ${detail.problem}`);
}

async function generations(): Promise<number[]> {
  return (await bench.store.deployments.list("www")).map(({ deployedGeneration }) => deployedGeneration);
}

describe("inspecting targets", () => {
  it("finds nothing wrong with what was deployed, and changes nothing", async () => {
    expect(target("a").inspections).toBe(1);
    expect(await drifts()).toEqual([]);
    expect(await generations()).toEqual([1, 1]);
    expect(await inspectDue(bench.context, [], NO_SIGNAL), "until the next inspection is due").toBe(0);
  });

  it.each<[string, Partial<ModelTarget["file"]>, string]>([
    ["a deleted file", { fingerprint: null }, "b holds no certificate"],
    ["a foreign certificate", { fingerprint: FOREIGN }, "b holds a certificate that renewd did not issue"],
    ["a foreign key", { keyMatches: false }, "b holds a private key that does not belong to its certificate"],
  ])(
    "finds %s while the right pair is still served from memory, and puts the same version back",
    async (_, file, what) => {
      const { fingerprint } = target("b");
      Object.assign(target("b").file, file);
      expect(target("b").fingerprint, "memory is right").toBe(fingerprint);
      await inspectLater();
      expect(await drifts()).toEqual([expect.stringContaining(what)]);
      expect(await generations()).toEqual([1, 0]);
      const [problem] = (await statusReport(bench.store, [WWW], bench.now)).problems;
      expect(problem?.problems.map(({ what: text }) => text)).toContainEqual(expect.stringContaining(`target ${what}`));
      await heal();
      expect(await bench.renewal("www")).toMatchObject({ reason: "drift", generation: 1, state: "succeeded" });
      expect(target("b").file).toMatchObject({ fingerprint, keyMatches: true });
      expect(await bench.store.versions.list("www"), "nothing was issued").toHaveLength(1);
      await inspectDue(bench.context, [], NO_SIGNAL);
      expect((await statusReport(bench.store, [WWW], bench.now)).problems).toEqual([]);
    },
  );

  it("asks at once when an endpoint does not answer, and puts the file right that took the server down", async () => {
    target("a").file.keyMatches = false;
    const { probe } = bench.context;
    const down = { code: "verify.unreachable", message: "connection refused" };
    const context: Context = {
      ...bench.context,
      probe: {
        ...probe,
        observe: async (endpoint, address, expected, signal) => {
          const seen = await probe.observe(endpoint, address, expected, signal);
          return target("a").file.keyMatches ? seen : { ...seen, problem: down };
        },
      },
    };
    await bench.store.certificates.update("www", { nextObservationAt: bench.now });
    expect(await inspectDue(context, [], NO_SIGNAL), "nothing is due yet").toBe(0);
    await observeDue(context, NO_SIGNAL);
    expect(await inspectDue(context, [], NO_SIGNAL)).toBe(2);
    await heal();
    expect(target("a").file.keyMatches).toBe(true);
    expect(await bench.renewal("www")).toMatchObject({ reason: "drift", state: "succeeded" });
  });

  it("deploys again once for a pair that the server could not start with, then waits for a person", async () => {
    target("a").file.problems = ["readable by root alone"];
    await inspectLater();
    await heal();
    await inspectLater();
    await inspectLater();
    expect(await drifts()).toHaveLength(1);
    const [shown] = (await certificatesReport(bench.store, [WWW], bench.now)).certificates;
    expect(shown?.targets[0]?.inspectionProblem).toContain("readable by root alone");
    const report = await statusReport(bench.store, [WWW], bench.now);
    expect(report.needsPerson).toBe(true);
    expect(report.problems[0]?.actions).toContainEqual(expect.stringContaining("then `renewd retry "));
    target("a").file.problems = [];
    await inspectLater();
    expect((await statusReport(bench.store, [WWW], bench.now)).problems).toEqual([]);
  });

  it("does not let one target that fails, or hangs, keep the others from being asked", async () => {
    const { services } = bench.context;
    const broken: Context = {
      ...bench.context,
      services: {
        ...services,
        deployer(name) {
          const deployer = services.deployer(name);
          const inspect = () => Promise.reject(new RenewalError("deploy.unreachable", "no answer"));
          return name === "a" ? { ...deployer, inspect } : deployer;
        },
      },
    };
    target("b").file.fingerprint = null;
    await inspectLater(broken);
    expect(await drifts()).toEqual(["b holds no certificate"]);
    expect(await generations(), "a target that cannot be asked is still trusted").toEqual([1, 0]);
  });

  it.each([
    ["does not answer, none is forgotten: those that were not asked come first", "deploy.unreachable", null],
    ["cannot say it of one certificate, the others are asked, and that one is shown", "deploy.io", "c00"],
  ] as const)("where a target %s", async (_, code, only) => {
    const names = Array.from({ length: 12 }, (_none, index) => `c${String(index).padStart(2, "0")}`);
    await using fleet = await Workbench.open(names.map((name) => modelCertificate(name, { targets: ["a"] })));
    await fleet.begin();
    await fleet.work();
    const { services } = fleet.context;
    const asked = new Map<string, number>();
    const inspect: NonNullable<ReturnType<typeof services.deployer>["inspect"]> = ({ certificate }) => {
      asked.set(certificate, (asked.get(certificate) ?? 0) + 1);
      return only === null || only === certificate
        ? Promise.reject(new RenewalError(code, "is a directory"))
        : Promise.resolve(null);
    };
    const deployer = (name: string) => ({ ...services.deployer(name), inspect });
    const context: Context = { ...fleet.context, services: { ...services, deployer } };
    for (let round = 0; round < 13; round += 1) await inspectLater(context, [], fleet);
    expect([...asked.keys()].sort()).toEqual(names);
    const [first] = await fleet.store.deployments.list("c00");
    expect(first?.inspectionProblem).toBe(only === null ? null : "cannot be inspected: is a directory");
    expect(first?.deployedGeneration, "nothing is known, so nothing is deployed again").toBe(1);
  });

  it("that a database without a free connection keeps from being done is no fault of the target, and done soon", async () => {
    await using fleet = await Workbench.open([modelCertificate("www", { targets: ["a"] })]);
    await fleet.begin();
    await fleet.work();
    const { store } = fleet;
    const latest = (): Promise<never> =>
      Promise.reject(new RenewalError("store.unavailable", "too many clients already"));
    await inspectLater({ ...fleet.context, store: { ...store, versions: { ...store.versions, latest } } }, [], fleet);
    const [row] = await store.deployments.list("www");
    expect(row?.inspectionProblem).toBeNull();
    fleet.now += 60_000;
    expect(await inspectDue(fleet.context, [], NO_SIGNAL)).toBe(1);
  });

  it("is done by the agent of a target, and by nobody else", async () => {
    const services = { ...bench.context.services, hasAgent: (name: string) => name === "a" };
    const before = [target("a").inspections, target("b").inspections];
    expect(await inspectLater({ ...bench.context, services })).toBe(1);
    expect([target("a").inspections, target("b").inspections]).toEqual([before[0], (before[1] ?? 0) + 1]);
    expect(await inspectLater({ ...bench.context, services }, ["a"])).toBe(1);
    expect(target("a").inspections).toBe((before[0] ?? 0) + 1);
  });

  it("puts nothing back while a restored database may be older than what the target holds", async () => {
    await bench.store.certificates.update("www", { restoredAt: bench.now, generationFloor: 1_000 });
    target("a").file.fingerprint = FOREIGN;
    await inspectLater();
    expect(await drifts()).toEqual([]);
    expect(await generations()).toEqual([1, 1]);
  });

  it("leaves a certificate alone while it is being renewed", async () => {
    target("a").file.fingerprint = null;
    bench.targets.forEach((each) => {
      each.failing = true;
    });
    bench.now += 89 * 86_400_000;
    await planDue(bench.context, NO_SIGNAL);
    expect(await bench.store.renewals.active("www")).not.toBeNull();
    await inspectLater();
    expect(await drifts()).toEqual([]);
  });
});
