import type { Command } from "commander";
import type { Started } from "../../actions/context.ts";
import type { RenewEntry, RenewReport } from "../../actions/renew.ts";
import { RenewalError } from "../../domain/errors.ts";
import { isErrorCode } from "../../domain/errorTable.ts";
import { inert } from "../../domain/text.ts";
import { durationOption } from "../../domain/writtenTime.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { watch } from "../doors.ts";
import { type Exit, exitOf } from "../exit.ts";
import type { Output } from "../output.ts";
import type { Ended } from "../watch.ts";

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
  performAnywhere<Options>(command, cli, async ({ args, options, output, desk }) => {
    const timeoutMs = durationOption("--timeout", options.timeout);
    const asked = await desk.renew({ certificates: args, force: options.force ?? false }, options.reason ?? null);
    announce(asked.renewals, output);
    summarize(asked.renewals, output);
    const started = asked.renewals.flatMap(startedOf);
    const ended = options.wait ? await watch(await desk.followed(), started, timeoutMs, output) : [];
    const report: RenewReport = { version: 1, renewals: asked.renewals.map((each) => entryOf(each, ended)) };
    if (output.json) output.report(report, () => "");
    return exit(asked.renewals, ended);
  });
}

function announce(asked: readonly RenewEntry[], output: Output): void {
  for (const { certificate, renewalId, hurried, error } of asked) {
    if (error !== null) output.failure(asError(error));
    else {
      const now = hurried ? ", in flight: makes its next attempt now" : "";
      output.progress(`${inert(certificate)}  renewal ${renewalId}${now}`);
    }
  }
}

/** Which part of the request was done: the exit code is about the rest. */
function summarize(asked: readonly RenewEntry[], output: Output): void {
  const [done, refused] = [asked.filter(({ error }) => error === null), asked.filter(({ error }) => error !== null)];
  if (done.length === 0 || refused.length === 0) return;
  const listed = (entries: readonly RenewEntry[]): string => entries.map(({ certificate }) => certificate).join(", ");
  output.note(`started: ${listed(done)}; not started: ${listed(refused)}`);
}

function startedOf({ certificate, renewalId, via, hurried }: RenewEntry): Started[] {
  return renewalId === null ? [] : [{ kind: "started", certificate, renewalId, via: via ?? "queue", hurried }];
}

function entryOf(asked: RenewEntry, ended: readonly Ended[]): RenewEntry {
  const end = ended.find(({ renewalId }) => renewalId === asked.renewalId);
  return end === undefined ? asked : { ...asked, state: end.state, error: end.error };
}

function asError({ code, message }: NonNullable<RenewEntry["error"]>): RenewalError {
  return new RenewalError(isErrorCode(code) ? code : "internal.bug", message);
}

function exit(asked: readonly RenewEntry[], ended: readonly Ended[]): Exit {
  const refused = asked.find(({ error }) => error !== null)?.error ?? null;
  // With others started, "was not done" would be wrong.
  if (refused !== null) return asked.some(({ error }) => error === null) ? "wrong" : exitOf(asError(refused));
  return ended.map((each) => each.exit).find((each) => each !== "ok") ?? "ok";
}
