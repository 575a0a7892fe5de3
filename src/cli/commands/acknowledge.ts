import type { Command } from "commander";
import { openReader, type Reader } from "../../compose/index.ts";
import { suggestion } from "../../config/read/suggestions.ts";
import { RenewalError } from "../../domain/errors.ts";
import { inert } from "../../domain/text.ts";
import { iso, spoken } from "../../reports/instant.ts";
import { type Cli, perform } from "../command.ts";
import { acknowledge, statusReport, withdrawAcknowledgement } from "../doors.ts";
import { requestedBy } from "../requestedBy.ts";
import { futureOption } from "../timeOptions.ts";

/** `renewd acknowledge --json`. */
export interface AcknowledgeReport {
  readonly version: 1;
  readonly subject: string;
  /** null: withdrawn. */
  readonly until: string | null;
}

interface Options {
  readonly reason?: string;
  readonly until: string;
  readonly withdraw?: boolean;
}

const REASON_LENGTH_MAX = 200;

export function addAcknowledge(program: Command, cli: Cli): void {
  const command = program
    .command("acknowledge")
    .description(
      "Say that a finding of `status` was seen and can wait: it stays visible, but is not red. A new kind of problem " +
        "of the same certificate is red again.",
    )
    .argument("<FINDING>", "a certificate with problems, or the id of a notice (`renewd status --json`)")
    .option("--reason <text>", "why it can wait, shown with it")
    .option("--until <when>", "red again then: 2d, 12h or a date such as 2026-12-01 (UTC)", "7d")
    .option("--withdraw", "it cannot wait after all");
  perform<Options>(command, cli, async ({ args: [subject = ""], options, output, configFile }) => {
    await using reader = await openReader(configFile);
    const at = reader.clock.now();
    const certificate = reader.config.certificates.some(({ name }) => name === subject) ? subject : null;
    if (options.withdraw) {
      await withdrawAcknowledgement(reader.store, { subject, certificate, by: requestedBy(), at });
      const withdrawn: AcknowledgeReport = { version: 1, subject, until: null };
      output.report(withdrawn, () => `${inert(subject)} is no longer acknowledged`);
      return "ok";
    }
    const until = futureOption("--until", options.until, at);
    const reason = options.reason?.trim() ?? "";
    if (reason === "" || reason.length > REASON_LENGTH_MAX)
      throw new RenewalError("request.invalid", `--reason: must be 1 to ${REASON_LENGTH_MAX} characters`);
    const kinds = await kindsOf(reader, subject, at);
    await acknowledge(reader.store, { subject, certificate, kinds, reason, by: requestedBy(), at, until });
    const report: AcknowledgeReport = { version: 1, subject, until: iso(until) };
    output.report(report, () => `${inert(subject)} is acknowledged until ${spoken(iso(until))}`);
    return "ok";
  });
}

/** The kinds of the finding as it is now. Throws `request.invalid` when there is none of that name. */
async function kindsOf({ store, config, services }: Reader, subject: string, now: number): Promise<string[]> {
  const agentTargets = [...config.targets].filter(([, { agent }]) => agent).map(([name]) => name);
  const state = { budgetOf: services.budget, observeMs: config.observation.everyMs, agentTargets };
  const { problems, notices } = await statusReport(store, config.certificates, now, state);
  const trouble = problems.find((each) => each.certificate === subject);
  if (trouble !== undefined) return trouble.problems.map(({ kind }) => kind);
  const notice = notices.find(({ id }) => id === subject);
  if (notice !== undefined) return [notice.kind];
  const known = [...problems.map((each) => each.certificate), ...notices.map(({ id }) => id)];
  throw new RenewalError(
    "request.invalid",
    `"${subject.slice(0, 80)}" is no finding of \`renewd status\`${suggestion(subject, known)}`,
  );
}
