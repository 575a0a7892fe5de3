import type { Command } from "commander";
import { openReader, type Reader } from "../../compose/index.ts";
import type { Certificate } from "../../domain/certificate.ts";
import { RenewalError } from "../../domain/errors.ts";
import { inert } from "../../domain/text.ts";
import { renewalWindow } from "../../renewal/rules/window.ts";
import { iso, spoken } from "../../reports/instant.ts";
import { type Cli, certificateNamed, perform } from "../command.ts";
import { pause } from "../doors.ts";
import { requestedBy } from "../requestedBy.ts";
import { futureOption } from "../timeOptions.ts";

/** `renewd pause --json`. */
export interface PauseReport {
  readonly version: 1;
  readonly certificate: string;
  readonly until: string | null;
  /** A renewal that was running already goes on. */
  readonly inFlight: string | null;
}

interface Options {
  readonly reason: string;
  readonly until?: string;
}

const REASON_LENGTH_MAX = 200;

export function addPause(program: Command, cli: Cli): void {
  const command = program
    .command("pause")
    .description(
      "Plan no renewal of a certificate until it is resumed. One in flight goes on; an expired certificate is " +
        "renewed all the same.",
    )
    .argument("<NAME>", "a certificate of the configuration")
    .requiredOption("--reason <text>", "why, shown wherever it is paused")
    .option("--until <when>", "resume by itself: 2d, 12h or a date such as 2026-12-01 (UTC)");
  perform<Options>(command, cli, async ({ args: [name = ""], options, output, configFile }) => {
    await using reader = await openReader(configFile);
    const certificate = certificateNamed(reader.config.certificates, name);
    const now = reader.clock.now();
    const until = options.until === undefined ? null : futureOption("--until", options.until, now);
    const reason = options.reason.trim();
    if (reason === "" || reason.length > REASON_LENGTH_MAX)
      throw new RenewalError("request.invalid", `--reason: must be 1 to ${REASON_LENGTH_MAX} characters`);
    await pause(reader.store, { certificate: name, reason, until, by: requestedBy() }, now);
    const active = await reader.store.renewals.active(name);
    const report: PauseReport = { version: 1, certificate: name, until: iso(until), inFlight: active?.id ?? null };
    output.report(
      report,
      () => `${inert(name)} is paused ${until === null ? "until `renewd resume`" : `until ${spoken(iso(until))}`}`,
    );
    if (active !== null) output.note(`its renewal ${active.id} is in flight and goes on`);
    await warnOfExpiry(reader, certificate, until, (text) => output.note(text));
    return "ok";
  });
}

/** A pause that outlasts the window is how a certificate expires by accident. */
async function warnOfExpiry(
  { store }: Reader,
  certificate: Certificate,
  until: number | null,
  note: (text: string) => void,
): Promise<void> {
  const version = await store.versions.latest(certificate.name);
  if (version === null) return;
  const { dueAt, expiresAt } = renewalWindow(version.leaf, certificate.policy);
  if (until === null || until > dueAt)
    note(`note: it would renew ${spoken(iso(dueAt))} and expires ${spoken(iso(expiresAt))}`);
}
