import type { Command } from "commander";
import type { App } from "../compose/index.ts";
import type { Renewal } from "../domain/renewal.ts";
import { inert } from "../domain/text.ts";
import { watch } from "./doors.ts";
import type { Exit } from "./exit.ts";
import type { Output } from "./output.ts";
import { durationOption } from "./timeOptions.ts";

/** `renewd deploy --json`, `renewd rollback --json`, and `renewd resume --json` of a held renewal. */
export interface RenewalActionReport {
  readonly version: 1;
  readonly certificate: string;
  readonly renewalId: string;
  readonly generation: number;
  /** With `--wait`: its state when waiting ended; else null. */
  readonly state: string | null;
  readonly error: { readonly code: string; readonly message: string; readonly action: string } | null;
}

export interface WaitOptions {
  readonly wait?: boolean;
  readonly timeout: string;
}

export function withWait(command: Command): Command {
  return command
    .option("--wait", "show each stage; exit code 0 only if it succeeded")
    .option("--timeout <duration>", "stop waiting after this long; the renewal goes on", "10m");
}

/** Says which renewal carries a person's decision out, and with `--wait` how it goes. */
export async function reportRenewal(app: App, renewal: Renewal, options: WaitOptions, output: Output): Promise<Exit> {
  const { certificate, id: renewalId, generation } = renewal;
  const timeoutMs = durationOption("--timeout", options.timeout);
  output.progress(`${inert(certificate)}  renewal ${renewalId}, generation ${generation}`);
  const [ended] = options.wait
    ? await watch(app, [{ kind: "started", certificate, renewalId, via: "database" }], timeoutMs, output)
    : [];
  const report: RenewalActionReport = {
    version: 1,
    certificate,
    renewalId,
    generation,
    state: ended?.state ?? null,
    error: ended?.error ?? null,
  };
  if (output.json) output.report(report, () => "");
  return ended?.exit ?? "ok";
}
