import { StatementSync } from "node:sqlite";
import { afterEach, expect, test, vi } from "vitest";
import { configure } from "../../src/renewal/plan/configure.ts";
import { planDue } from "../../src/renewal/plan/plan.ts";
import { certificatesReport } from "../../src/reports/certificates.ts";
import { statusReport } from "../../src/reports/status.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../support/model/workbench.ts";

afterEach(() => vi.restoreAllMocks());

/** Where transactions and their savepoints begin and end. */
const BOUNDS = /^(?:begin|savepoint|release|rollback|commit)\b/;

/** Counts what reaches SQLite from now on. */
function counting(): () => { statements: number; commits: number } {
  const spies = [vi.spyOn(StatementSync.prototype, "all"), vi.spyOn(StatementSync.prototype, "run")];
  return () => {
    const calls = spies.flatMap(({ mock }) =>
      mock.contexts.map((statement, index) => ({
        text: statement instanceof StatementSync ? statement.sourceSQL : "",
        order: mock.invocationCallOrder[index] ?? 0,
      })),
    );
    let inTransaction = false;
    const count = { statements: 0, commits: 0 };
    for (const { text } of calls.sort((one, other) => one.order - other.order)) {
      if (text.startsWith("begin")) inTransaction = true;
      else if (!BOUNDS.test(text)) count.statements += 1;
      // A write outside a transaction is a commit of its own.
      if (text === "commit" || (!inTransaction && !text.startsWith("select"))) count.commits += 1;
      if (text === "commit") inTransaction = false;
    }
    return count;
  };
}

const atOneTarget = (name: string) =>
  modelCertificate(name, {
    targets: ["a"],
    endpoints: [{ host: "a", port: 443, sni: `${name}.example.org`, target: "a" }],
  });

/**
 * The numbers of today, so that no change raises them unnoticed; the aim is 50 and 6. The model CA asks for no
 * challenge.
 */
test("a certificate takes at most 83 statements and 10 commits from due to proved", async () => {
  await using bench = await Workbench.open([atOneTarget("www")]);
  await configure(bench.context, NO_SIGNAL);
  const count = counting();
  await planDue(bench.context, NO_SIGNAL);
  await bench.work();
  const { statements, commits } = count();
  expect((await bench.renewal("www")).state).toBe("succeeded");
  expect(statements).toBeLessThanOrEqual(83);
  expect(commits).toBeLessThanOrEqual(10);
});

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
