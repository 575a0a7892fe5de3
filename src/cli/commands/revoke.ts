import type { Command } from "commander";
import { openContext, requestRenewals } from "../../compose/index.ts";
import { RenewalError } from "../../domain/errors.ts";
import { REVOCATION_REASONS, type RevocationReason } from "../../domain/issuer.ts";
import { inert } from "../../domain/text.ts";
import { type Cli, perform } from "../command.ts";
import { confirm } from "../confirm.ts";
import { revoke, versionToRevoke } from "../doors.ts";
import { exitOf } from "../exit.ts";
import { requestedBy } from "../requestedBy.ts";
import { silentLog } from "../silentLog.ts";

/** `renewd revoke --json`. */
export interface RevokeReport {
  readonly version: 1;
  readonly certificate: string;
  readonly generation: number;
  readonly serial: string;
  readonly reason: RevocationReason;
  /** The renewal that replaces it; null: a later generation is there already, or it left the configuration. */
  readonly renewalId: string | null;
}

interface Options {
  readonly reason: string;
  readonly yes?: boolean;
}

const TIMEOUT_MS = 60_000;

export function addRevoke(program: Command, cli: Cli): void {
  const command = program
    .command("revoke")
    .description(
      "Revoke a certificate at its CA, with the account's or the certificate's own key, and replace it at once by " +
        "one with a new key.",
    )
    .argument(
      "<NAME|SERIAL>",
      "a certificate, of which the latest generation is meant, or the serial of any generation",
    )
    .requiredOption("--reason <reason>", `one of ${Object.keys(REVOCATION_REASONS).join(", ")}`)
    .option("--yes", "do not ask");
  perform<Options>(command, cli, async ({ args: [what = ""], options, output, configFile }) => {
    const reason = reasonOption(options.reason);
    await using app = await openContext(configFile, { log: silentLog });
    const version = await versionToRevoke(app.context, what);
    const { certificate, generation, leaf } = version;
    await confirm(
      `Revoke ${inert(certificate)} generation ${generation}, serial ${inert(leaf.serial)}, for ${reason}?`,
      options.yes ?? false,
    );
    await revoke(app.context, { version, reason, requestedBy: requestedBy() }, AbortSignal.timeout(TIMEOUT_MS));
    output.note(`${certificate} generation ${generation} is revoked`);

    const latest = await app.store.versions.latest(certificate);
    const replaceable = app.services.certificate(certificate) !== null && latest?.generation === generation;
    const [asked] = replaceable
      ? await requestRenewals(
          app,
          [certificate],
          { force: false, reason: `revoked: ${reason}`, by: requestedBy() },
          (text) => output.note(text),
        )
      : [];
    if (asked?.kind === "refused") output.failure(asked.error);
    const renewalId = asked?.kind === "started" ? asked.renewalId : null;
    const report: RevokeReport = { version: 1, certificate, generation, serial: leaf.serial, reason, renewalId };
    output.report(report, () =>
      renewalId === null ? `${inert(certificate)}  not replaced` : `${inert(certificate)}  renewal ${renewalId}`,
    );
    return asked?.kind === "refused" ? exitOf(asked.error) : "ok";
  });
}

function reasonOption(text: string): RevocationReason {
  // Its own keys.
  const found = (Object.keys(REVOCATION_REASONS) as RevocationReason[]).find((reason) => reason === text);
  if (found === undefined)
    throw new RenewalError(
      "request.invalid",
      `--reason: "${text.slice(0, 80)}" is none of ${Object.keys(REVOCATION_REASONS).join(", ")}`,
    );
  return found;
}
