import type { Command } from "commander";
import type { RenewalActionReport } from "../actions/steer.ts";
import { inert } from "../domain/text.ts";
import { durationOption } from "../domain/writtenTime.ts";
import type { Desk } from "./desk/desk.ts";
import { watch } from "./doors.ts";
import type { Exit } from "./exit.ts";
import type { Output } from "./output.ts";
import type { Ended } from "./watch.ts";

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
  const [ended] = options.wait ? await waited(desk, done, timeoutMs, output) : [];
  const report: RenewalActionReport = { ...done, state: ended?.state ?? null, error: ended?.error ?? null };
  if (output.json) output.report(report, () => "");
  return ended?.exit ?? "ok";
}

/** Waits for the renewal that goes on, if there is one and `--wait` was given; one without the other is said. */
export async function waitIfAsked(
  desk: Desk,
  { certificate, renewalId }: { readonly certificate: string; readonly renewalId: string | null },
  options: WaitOptions,
  output: Output,
): Promise<Exit> {
  if (!options.wait) return "ok";
  if (renewalId === null) {
    output.note(
      `${certificate} has no renewal in flight, so there is nothing to wait for: see \`renewd plan ${certificate}\``,
    );
    return "ok";
  }
  const [ended] = await waited(desk, { certificate, renewalId }, durationOption("--timeout", options.timeout), output);
  return ended?.exit ?? "ok";
}

async function waited(
  desk: Desk,
  { certificate, renewalId }: { readonly certificate: string; readonly renewalId: string },
  timeoutMs: number,
  output: Output,
): Promise<Ended[]> {
  return watch(
    await desk.followed(),
    [{ kind: "started", certificate, renewalId, via: "database" }],
    timeoutMs,
    output,
  );
}
