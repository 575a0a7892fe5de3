import type { Command } from "commander";
import { openContext } from "../../compose/index.ts";
import { RenewalError } from "../../domain/errors.ts";
import { type Cli, chosen, perform } from "../command.ts";
import { rehearse, tryEndpoints } from "../doors.ts";
import { silentLog } from "../silentLog.ts";
import type { Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";

/** `renewd rehearse --json`. */
export interface RehearseReport {
  readonly version: 1;
  readonly passed: boolean;
  readonly steps: readonly RehearseEntry[];
}

export interface RehearseEntry {
  readonly certificate: string;
  /** `order`, `target NAME` or `endpoint HOST:PORT`. */
  readonly step: string;
  readonly result: "passed" | "failed" | "notChecked";
  readonly message: string;
  /** What to do; null: nothing. */
  readonly action: string | null;
}

/** One certificate; an order may wait for DNS. */
const TIMEOUT_MS = 900_000;

export function addRehearse(program: Command, cli: Cli): void {
  const command = program
    .command("rehearse")
    .description(
      "Try everything a renewal does but touch production: an order at the CA's staging directory with the same " +
        "solver, each target's preflight (may renewd write there, the server's own configuration test, the right to " +
        "reload it), and a handshake with every endpoint. http-01 needs a running ACME worker. What could not be " +
        "tried, such as the order at a CA without a staging directory, is listed as not checked.",
    )
    .argument("[NAME]", "a certificate of the configuration")
    .option("--all", "every certificate, one after another");
  perform<{ readonly all?: boolean }>(command, cli, async ({ args: [name], options, output, configFile }) => {
    if ((name === undefined) !== (options.all ?? false))
      throw new RenewalError("request.invalid", "name a certificate or give --all");
    await using app = await openContext(configFile, { log: silentLog });
    const steps: RehearseEntry[] = [];
    for (const certificate of chosen(app.config.certificates, name)) {
      const office = app.services.rehearsal(certificate.issuer);
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      const tried = await rehearse(app.context, certificate, office, signal);
      const dialled = await tryEndpoints(app.context, certificate, signal);
      for (const { error, ...step } of [...tried, ...dialled])
        steps.push({ certificate: certificate.name, ...step, action: error?.facts.action ?? null });
    }
    const report: RehearseReport = { version: 1, passed: steps.every(({ result }) => result !== "failed"), steps };
    output.report(report, render);
    return report.passed ? "ok" : "wrong";
  });
}

const RESULT = {
  passed: "passed",
  failed: { text: "failed", style: "wrong" },
  notChecked: { text: "not checked", style: "caution" },
} as const satisfies Record<string, Cell>;

function render({ steps }: RehearseReport, screen: Screen): string {
  if (steps.length === 0) return "no certificates are configured";
  const columns = [
    { title: "CERTIFICATE", widthMin: 14 },
    { title: "STEP" },
    { title: "RESULT" },
    { title: "", widthMin: 20 },
  ];
  const rows = steps.map(({ certificate, step, result, message, action }): Cell[] => [
    certificate,
    step,
    RESULT[result],
    action === null ? message : `${message} ${action}`,
  ]);
  return renderTable(columns, rows, screen).join("\n");
}
