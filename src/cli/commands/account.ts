import type { Command } from "commander";
import { accountAdmin, openReader, openReaderToLook } from "../../compose/index.ts";
import type { AccountAdmin, AccountFacts } from "../../domain/account.ts";
import { RenewalError } from "../../domain/errors.ts";
import { inert } from "../../domain/text.ts";
import { type Cli, perform } from "../command.ts";

/** `renewd account … --json`. */
export interface AccountReport {
  readonly version: 1;
  readonly issuer: string;
  /** null: none is registered, or not any more. */
  readonly account: AccountFacts | null;
}

/** The CA's own time limits are per request; this one is for the command. */
const TIMEOUT_MS = 120_000;

type Act = (admin: AccountAdmin, signal: AbortSignal) => Promise<AccountFacts | null>;

export function addAccount(program: Command, cli: Cli): void {
  const account = program.command("account").description("Look at or change the ACME account of an issuer.");
  const add = (name: string, description: string, done: (issuer: string) => string, act: Act): Command => {
    const command = account
      .command(name)
      .description(description)
      .argument("<ISSUER>", "an issuer of the configuration");
    return perform<{ readonly yes?: boolean }>(
      command,
      cli,
      async ({ args: [issuer = ""], options, output, configFile }) => {
        if (name === "deactivate" && options.yes !== true) {
          throw new RenewalError(
            "request.invalid",
            "--yes: deactivating an account cannot be undone; give --yes if that is meant",
          );
        }
        const open = name === "show" ? openReaderToLook : openReader;
        await using reader = await open(configFile);
        const facts = await act(await accountAdmin(reader, issuer), AbortSignal.timeout(TIMEOUT_MS));
        const report: AccountReport = { version: 1, issuer, account: facts };
        output.report(report, () => [done(inert(issuer)), ...(facts === null ? [] : linesOf(facts))].join("\n"));
        return "ok";
      },
    );
  };
  add(
    "show",
    "What the CA says of the account. Changes nothing.",
    (issuer) => `issuer ${issuer}`,
    async (admin, signal) => {
      const facts = await admin.show(signal);
      if (facts === null)
        throw new RenewalError("request.invalid", "the issuer has no account yet: its first order registers one");
      return facts;
    },
  );
  add(
    "rollover",
    "Give the account a new key. The new key is stored before the CA is asked, so nothing is lost by a crash: run " +
      "it again.",
    (issuer) => `the account of issuer ${issuer} has a new key`,
    (admin, signal) => admin.rollover(signal),
  );
  add(
    "contact",
    "Send the configured contact to the CA. renewd does so by itself when it changed; this shows what the CA answers.",
    (issuer) => `the CA of issuer ${issuer} has the configured contact`,
    (admin, signal) => admin.updateContact(signal),
  );
  add(
    "deactivate",
    "Close the account and forget its key. This cannot be undone. The next order registers a new one.",
    (issuer) => `the account of issuer ${issuer} is deactivated; the next order registers a new one`,
    async (admin, signal) => {
      await admin.deactivate(signal);
      return null;
    },
  ).option("--yes", "yes, although it cannot be undone");
}

function linesOf({ url, status, contact, keyThumbprint }: AccountFacts): string[] {
  const facts = [
    ["account", url],
    ["status", status],
    ["contact", contact.join(", ") || "none"],
    ["key", `SHA-256 thumbprint ${keyThumbprint}`],
  ] as const;
  return facts.map(([label, value]) => `  ${label.padEnd(9)}${inert(value)}`);
}
