import { type Command, Option } from "commander";
import { RenewalError } from "../../domain/errors.ts";
import { isErrorCode } from "../../domain/errorTable.ts";
import { REVOCATION_REASONS, type RevocationReason } from "../../domain/issuer.ts";
import { inert } from "../../domain/text.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { confirm } from "../confirm.ts";
import { exitOf } from "../exit.ts";

interface Options {
  readonly input: boolean;
  readonly reason: string;
  readonly yes?: boolean;
}

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
    .addOption(reasonChoices())
    .option("--yes", "do not ask");
  performAnywhere<Options>(command, cli, async ({ args: [what = ""], options, output, desk }) => {
    const reason = reasonOption(options.reason);
    const { certificate, generation, serial } = await desk.revocationDraft(what);
    await confirm(`Revoke ${inert(certificate)} generation ${generation}, serial ${inert(serial)}, for ${reason}?`, {
      yes: options.yes ?? false,
      input: options.input,
    });
    const report = await desk.revoke({ of: what, reason }, null);
    output.note(`${certificate} generation ${generation} is revoked`);
    const { renewalId, error } = report;
    const refused = error === null ? null : asError(error);
    if (refused !== null) output.failure(refused);
    output.report(report, () =>
      renewalId === null ? `${inert(certificate)}  not replaced` : `${inert(certificate)}  renewal ${renewalId}`,
    );
    return refused === null ? "ok" : exitOf(refused);
  });
}

function asError({ code, message }: { readonly code: string; readonly message: string }): RenewalError {
  return new RenewalError(isErrorCode(code) ? code : "internal.bug", message);
}

/** Checked by `reasonOption`, whose message says more. */
function reasonChoices(): Option {
  const option = new Option("--reason <reason>", "what the CA is told (RFC 5280)").makeOptionMandatory();
  option.argChoices = Object.keys(REVOCATION_REASONS);
  return option;
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
