import type { Command } from "commander";
import { openContext, type RequestOutcome, requestRenewals, type Started } from "../../compose/index.ts";
import { toRenewalError } from "../../domain/errors.ts";
import { inert } from "../../domain/text.ts";
import { type Cli, certificateNamed, perform } from "../command.ts";
import { watch } from "../doors.ts";
import { type Exit, exitOf } from "../exit.ts";
import type { Output } from "../output.ts";
import { requestedBy } from "../requestedBy.ts";
import { silentLog } from "../silentLog.ts";
import { durationOption } from "../timeOptions.ts";
import type { Ended } from "../watch.ts";

/** `renewd renew --json`. */
export interface RenewReport {
  readonly version: 1;
  readonly renewals: readonly RenewEntry[];
}

export interface RenewEntry {
  readonly certificate: string;
  /** null: the request was refused or not taken. */
  readonly renewalId: string | null;
  /** `database`: Redis was unreachable; it starts when Redis is back. */
  readonly via: "queue" | "database" | null;
  /** With `--wait`: its state when waiting ended; else null. */
  readonly state: string | null;
  readonly error: { readonly code: string; readonly message: string; readonly action: string } | null;
}

interface Options {
  readonly force?: boolean;
  readonly reason?: string;
  readonly wait?: boolean;
  readonly timeout: string;
}

export function addRenew(program: Command, cli: Cli): void {
  const command = program
    .command("renew")
    .description(
      "Ask for renewals now, past any pause and back-off; prints the id of each. Goes through the queue, or into " +
        "the database while Redis is away.",
    )
    .argument("<NAME...>", "certificates of the configuration")
    .option("--force", "issue a new certificate even though nothing is due")
    .option("--reason <text>", "why, for the history")
    .option("--wait", "show each stage; exit code 0 only if every renewal succeeded")
    .option("--timeout <duration>", "stop waiting after this long; the renewals go on", "10m");
  perform<Options>(command, cli, async ({ args, options, output, configFile }) => {
    const timeoutMs = durationOption("--timeout", options.timeout);
    await using app = await openContext(configFile, { log: silentLog });
    const names = [...new Set(args)];
    // All or nothing: a typing error in the last name must not leave the first ones renewing.
    for (const name of names) certificateNamed(app.config.certificates, name);

    const asked = await requestRenewals(
      app,
      names,
      { force: options.force ?? false, reason: options.reason ?? null, by: requestedBy() },
      (text) => output.note(text),
    );
    announce(asked, output);
    summarize(asked, output);
    const ended = options.wait ? await watch(app, started(asked), timeoutMs, output) : [];
    const report: RenewReport = { version: 1, renewals: asked.map((each) => entryOf(each, ended)) };
    if (output.json) output.report(report, () => "");
    return exit(asked, ended);
  });
}

function announce(asked: readonly RequestOutcome[], output: Output): void {
  for (const each of asked) {
    if (each.kind === "refused") output.failure(each.error);
    else {
      const hurried = each.hurried === true ? ", in flight: makes its next attempt now" : "";
      output.progress(`${inert(each.certificate)}  renewal ${each.renewalId}${hurried}`);
    }
  }
}

/** Which part of the request was done: the exit code is about the rest. */
function summarize(asked: readonly RequestOutcome[], output: Output): void {
  const [done, refused] = [started(asked), asked.filter(({ kind }) => kind === "refused")];
  if (done.length === 0 || refused.length === 0) return;
  const listed = (outcomes: readonly RequestOutcome[]): string =>
    outcomes.map(({ certificate }) => certificate).join(", ");
  output.note(`started: ${listed(done)}; not started: ${listed(refused)}`);
}

function started(asked: readonly RequestOutcome[]): Started[] {
  return asked.filter((each) => each.kind === "started");
}

function entryOf(asked: RequestOutcome, ended: readonly Ended[]): RenewEntry {
  const { certificate } = asked;
  if (asked.kind === "refused") {
    const { code, message, facts } = asked.error;
    return { certificate, renewalId: null, via: null, state: null, error: { code, message, action: facts.action } };
  }
  const { renewalId, via } = asked;
  const end = ended.find((each) => each.renewalId === renewalId);
  return { certificate, renewalId, via, state: end?.state ?? null, error: end?.error ?? null };
}

function exit(asked: readonly RequestOutcome[], ended: readonly Ended[]): Exit {
  const refused = asked.find((each) => each.kind === "refused");
  // With others started, "was not done" would be wrong.
  if (refused !== undefined) return started(asked).length > 0 ? "wrong" : exitOf(toRenewalError(refused.error));
  return ended.map((each) => each.exit).find((each) => each !== "ok") ?? "ok";
}
