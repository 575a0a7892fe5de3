import { StatementSync } from "node:sqlite";
import { afterEach, expect, test, vi } from "vitest";
import { SECOND_MS } from "../../src/domain/time.ts";
import { configure } from "../../src/renewal/plan/configure.ts";
import { planDue } from "../../src/renewal/plan/plan.ts";
import { judgeCertificates } from "../../src/renewal/watch/faults.ts";
import { inspectDue } from "../../src/renewal/watch/inspect.ts";
import { certificatesReport } from "../../src/reports/certificates.ts";
import { statusReport } from "../../src/reports/status.ts";
import { AlertBench, alertCertificate } from "../support/model/alertBench.ts";
import { atOneTarget, type Counted, counted, countedEach, LIMITS } from "../support/model/countedStatements.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../support/model/workbench.ts";

afterEach(() => vi.restoreAllMocks());

/** Counts what reaches SQLite from now on. */
function counting(): () => Counted {
  const spies = [vi.spyOn(StatementSync.prototype, "iterate"), vi.spyOn(StatementSync.prototype, "run")];
  return () => {
    const calls = spies.flatMap(({ mock }) =>
      mock.contexts.map((statement, index) => ({
        text: statement instanceof StatementSync ? statement.sourceSQL : "",
        order: mock.invocationCallOrder[index] ?? 0,
      })),
    );
    return counted(calls.sort((one, other) => one.order - other.order).map(({ text }) => text));
  };
}

test.each(LIMITS)(
  "a certificate takes so many statements and commits from due to proved: %s",
  async (_, renewing, most) => {
    const { statements, commits } = await countedEach(renewing, counting, { inFlight: renewing.names.length });
    expect(statements).toBeLessThanOrEqual(most.statements);
    expect(commits).toBeLessThanOrEqual(most.commits);
  },
);

test("status and certificates ask as much of the database for thirty certificates as for three", async () => {
  const asked: number[] = [];
  for (const size of [3, 30]) {
    const all = Array.from({ length: size }, (_, index) => atOneTarget(`c${index}`));
    await using bench = await Workbench.open(all);
    await configure(bench.context, NO_SIGNAL);
    const count = counting();
    await statusReport(bench.store, all, bench.now);
    await certificatesReport(bench.store, all, bench.now);
    asked.push(count().statements);
    vi.restoreAllMocks();
  }
  expect(asked[1]).toBe(asked[0]);
});

test("judging certificates whose latest version is in use asks as much for five of them as for two", async () => {
  const asked: number[] = [];
  for (const size of [2, 5]) {
    const names = Array.from({ length: size }, (_, index) => `c${index}`);
    await using bench = await Workbench.open(names.map((name) => modelCertificate(name, { endpoints: [] })));
    await configure(bench.context, NO_SIGNAL);
    await planDue(bench.context, NO_SIGNAL);
    await bench.work();
    expect((await bench.renewal("c1")).state).toBe("succeeded");
    const count = counting();
    expect(await judgeCertificates(bench.context, names, NO_SIGNAL)).toEqual([]);
    asked.push(count().statements);
    vi.restoreAllMocks();
  }
  expect(asked[1]).toBe(asked[0]);
});

test("what happened is judged once for alerts, although the mark in the database stays behind", async () => {
  const names = ["a", "b", "c"];
  await using estate = await AlertBench.open(names.map((name) => alertCertificate(name)));
  await configure(estate.context, NO_SIGNAL);
  await estate.after(0);
  await estate.heal(...names);
  const { seq } = await estate.bench.store.alerts.state();
  await estate.after(SECOND_MS);
  expect((await estate.bench.store.alerts.state()).seq).toBe(seq);
  const count = counting();
  await estate.after(SECOND_MS);
  expect(count().statements, "the state, the newest event, open alerts").toBe(3);
});

test("an inspection that finds nothing wrong records nothing but when the next one is due", async () => {
  await using bench = await Workbench.open([atOneTarget("www")]);
  await bench.begin();
  await bench.work();
  await inspectDue(bench.context, [], NO_SIGNAL);
  bench.now += 2 * bench.context.settings.observeMs;
  const count = counting();
  expect(await inspectDue(bench.context, [], NO_SIGNAL)).toBe(1);
  expect(count().statements).toBeLessThanOrEqual(5);
  expect(count().commits).toBe(1);
});
