import type { Command } from "commander";
import type { RenewalActionReport } from "../actions/steer.ts";
import { inert } from "../domain/text.ts";
import { durationOption } from "../domain/writtenTime.ts";
import type { Desk } from "./desk/desk.ts";
import { watch } from "./doors.ts";
import type { Exit } from "./exit.ts";
import type { Output } from "./output.ts";

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
export async function reportRenewal(
  desk: Desk,
  done: RenewalActionReport,
  options: WaitOptions,
  output: Output,
): Promise<Exit> {
  const { certificate, renewalId, generation } = done;
  const timeoutMs = durationOption("--timeout", options.timeout);
  output.progress(`${inert(certificate)}  renewal ${renewalId}, generation ${generation}`);
  const started = { kind: "started", certificate, renewalId, via: "database" } as const;
  const [ended] = options.wait ? await watch(await desk.followed(), [started], timeoutMs, output) : [];
  const report: RenewalActionReport = { ...done, state: ended?.state ?? null, error: ended?.error ?? null };
  if (output.json) output.report(report, () => "");
  return ended?.exit ?? "ok";
}
