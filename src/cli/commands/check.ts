import type { Command } from "commander";
import { openContextToLook } from "../../compose/index.ts";
import type { Certificate } from "../../domain/certificate.ts";
import { RenewalError } from "../../domain/errors.ts";
import { type Cli, chosen, perform } from "../command.ts";
import { isPublicSuffix, preflight } from "../doors.ts";
import { silentLog } from "../silentLog.ts";
import type { Screen } from "../terminal/style.ts";
import { type Cell, renderTable } from "../terminal/table.ts";

/** `renewd check --json`. */
export interface CheckReport {
  readonly version: 1;
  /** No order would be refused; there may be warnings. */
  readonly passed: boolean;
  readonly certificates: readonly string[];
  readonly concerns: readonly CheckEntry[];
}

export interface CheckEntry {
  readonly certificate: string;
  /** null: about the whole order. */
  readonly name: string | null;
  /** The solver that would answer for the name. */
  readonly solver: string | null;
  /** What was checked, such as `name`, `dnssec`, `delegation`, `nameServers`, `credentials`, `http`, `issuer`. */
  readonly check: string;
  readonly result: "warning" | "refused";
  readonly message: string;
}

/** One certificate with many names. */
const TIMEOUT_MS = 300_000;

export function addCheck(program: Command, cli: Cli): void {
  const command = program
    .command("check")
    .description(
      "Check what a CA would check, without an order and without writing anything: names, zones and rights at the " +
        "DNS provider, delegation, name servers, DNSSEC, CAA, and whether each name answers over HTTP.",
    )
    .argument("[NAME]", "a certificate of the configuration")
    .option("--all", "every certificate, one after another");
  perform<{ readonly all?: boolean }>(command, cli, async ({ args: [name], options, output, configFile }) => {
    if ((name === undefined) !== (options.all ?? false))
      throw new RenewalError("request.invalid", "name a certificate or give --all");
    await using app = await openContextToLook(configFile, { log: silentLog });
    const certificates = chosen(app.config.certificates, name);
    const concerns: CheckEntry[] = [];
    for (const certificate of certificates) {
      concerns.push(...(await ofNames(certificate)));
      const how = { issuer: certificate.issuer, thorough: true };
      for (const concern of await preflight(app.context, certificate, how, AbortSignal.timeout(TIMEOUT_MS))) {
        const { identifier, solver, check, message, fatal } = concern;
        const result = fatal ? "refused" : "warning";
        concerns.push({ certificate: certificate.name, name: identifier, solver, check, result, message });
      }
    }
    const report: CheckReport = {
      version: 1,
      passed: concerns.every(({ result }) => result === "warning"),
      certificates: certificates.map((certificate) => certificate.name),
      concerns,
    };
    output.report(report, render);
    return report.passed ? "ok" : "wrong";
  });
}

/** Public CAs refuse these; that a private one does as well is not certain, so orders are not kept from it. */
async function ofNames({ name: certificate, identifiers }: Certificate): Promise<CheckEntry[]> {
  const entries: CheckEntry[] = [];
  for (const identifier of identifiers) {
    if (!(await isPublicSuffix(identifier))) continue;
    const message = "a registry gives names to others below it (public suffix), so no public CA issues for it";
    entries.push({ certificate, name: identifier.value, solver: null, check: "name", result: "refused", message });
  }
  return entries;
}

const RESULT = {
  warning: { text: "warning", style: "caution" },
  refused: { text: "refused", style: "wrong" },
} as const satisfies Record<string, Cell>;

function render({ certificates, concerns }: CheckReport, screen: Screen): string {
  const checked = `${certificates.length} certificate${certificates.length === 1 ? "" : "s"} checked`;
  if (concerns.length === 0) return `${checked}: nothing found that would stop an order`;
  const columns = [
    { title: "CERTIFICATE", widthMin: 14 },
    { title: "NAME", widthMin: 16 },
    { title: "CHECK" },
    { title: "RESULT" },
    { title: "", widthMin: 20, wraps: true },
  ];
  const rows = concerns.map(({ certificate, name, check, result, message }): Cell[] => [
    certificate,
    name ?? "",
    check,
    RESULT[result],
    message,
  ]);
  return renderTable(columns, rows, screen).join("\n");
}
