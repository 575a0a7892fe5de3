import { DatabaseSync, StatementSync } from "node:sqlite";
import { writeFileSync } from "node:fs";
import { test } from "vitest";
import { modelCertificate, Workbench } from "../support/model/workbench.ts";

test("trace", async () => {
  const log: string[] = [];
  for (const kind of ["all", "run"] as const) {
    const original = StatementSync.prototype[kind];
    StatementSync.prototype[kind] = function (this: StatementSync, ...a: any[]) {
      const at = (new Error().stack ?? "").split("\n").filter((l) => l.includes("/src/") && !l.includes("/dialect/")).map((l) => l.replace(/.*\/src\/(.*?):(\d+):\d+.*/, "$1:$2")).slice(0, 6).join(" < ");
      log.push(`${this.sourceSQL.slice(0, 200)}   @ ${at}`);
      return (original as any).apply(this, a);
    } as any;
  }
  Error.stackTraceLimit = 60;
  const n = 1;
  await using bench = await Workbench.open(Array.from({ length: n }, (_, i) => modelCertificate(`c${i}`)));
  await (await import("../../src/renewal/plan/configure.ts")).configure(bench.context, new AbortController().signal);
  log.length = 0;
  const mark = (text: string) => log.push(`------ ${text} ${log.length}`);
  await (await import("../../src/renewal/plan/plan.ts")).planDue(bench.context, new AbortController().signal);
  mark("planned");
  for (let job = bench.jobs.shift(); job !== undefined; job = bench.jobs.shift()) {
    await bench.run(job);
    mark(`ran ${job.kind}`);
  }
  log.push(JSON.stringify(await bench.renewal("c0")));
  writeFileSync("/tmp/sp/trace.txt", log.join("\n"));
});
