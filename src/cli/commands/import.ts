import { open } from "node:fs/promises";
import type { Command } from "commander";
import { certificateNamed } from "../../actions/context.ts";
import { openContext, readForeignPair } from "../../compose/index.ts";
import { RenewalError } from "../../domain/errors.ts";
import { inert } from "../../domain/text.ts";
import { iso, spoken } from "../../reports/instant.ts";
import { type Cli, perform } from "../command.ts";
import { importPair, planReport } from "../doors.ts";
import { requestedBy } from "../requestedBy.ts";
import { silentLog } from "../silentLog.ts";

/** `renewd import --json`. */
export interface ImportReport {
  readonly version: 1;
  readonly certificate: string;
  readonly generation: number;
  readonly serial: string;
  readonly expiresAt: string;
  /** What the planner makes of it, such as `renews 2026-12-01 …`. */
  readonly plan: string;
}

interface Options {
  readonly certificate: string;
  readonly key: string;
  readonly force?: boolean;
}

/** A bundle of a hundred certificates is smaller. */
const FILE_BYTES_MAX = 1_048_576;

export function addImport(program: Command, cli: Cli): void {
  const command = program
    .command("import")
    .description(
      "Take over a pair that other tooling issued and installed, so that renewd renews it when its time comes. " +
        "Deploys nothing.",
    )
    .argument("<NAME>", "a certificate of the configuration")
    .requiredOption("--certificate <file>", "PEM with the certificate and its chain")
    .requiredOption("--key <file>", "PEM with the key, not encrypted; may be the same file")
    .option("--force", "import it although its names differ, it has expired, or it is older than the latest one");
  perform<Options>(command, cli, async ({ args: [name = ""], options, output, configFile }) => {
    await using app = await openContext(configFile, { log: silentLog });
    const certificate = certificateNamed(app.config.certificates, name);
    const pair = await readForeignPair(
      await readBounded("--certificate", options.certificate),
      await readBounded("--key", options.key),
    );
    const generation = await importPair(app.context, certificate, pair, {
      by: requestedBy(),
      force: options.force ?? false,
    });
    const [planned] = (await planReport(app.store, [certificate], app.clock.now(), app.services.budget)).certificates;
    const { serial, notAfter } = pair.leaf;
    const report: ImportReport = {
      version: 1,
      certificate: name,
      generation,
      serial,
      expiresAt: iso(notAfter),
      plan: planned?.detail ?? "",
    };
    output.report(
      report,
      () => `${inert(name)} is generation ${generation}: serial ${inert(serial)}, expires ${spoken(iso(notAfter))}`,
    );
    if (planned !== undefined)
      output.note(`the planner: ${planned.reason === null ? "" : `${planned.reason}, `}${planned.detail}`);
    return "ok";
  });
}

async function readBounded(option: string, path: string): Promise<string> {
  try {
    await using file = await open(path);
    const { size } = await file.stat();
    if (size > FILE_BYTES_MAX)
      throw new RenewalError("request.invalid", `${option}: ${path} has ${size} bytes, too many for a PEM file`);
    return await file.readFile("utf8");
  } catch (cause) {
    if (cause instanceof RenewalError) throw cause;
    const reason = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
    throw new RenewalError("request.invalid", `${option}: cannot read ${path} (${reason})`, { cause });
  }
}
