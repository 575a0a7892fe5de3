import type { Command } from "commander";
import { accountAdmin, openReader } from "../../compose/index.ts";
import type { AccountAdmin, AccountFacts } from "../../domain/account.ts";
import { RenewalError } from "../../domain/errors.ts";
import { inert } from "../../domain/text.ts";
import type { AccountReport } from "../../reports/account.ts";
import { type Cli, performAnywhere } from "../command.ts";

/** The CA's own time limits are per request; this one is for the command. */
const TIMEOUT_MS = 120_000;

const THERE_ONLY = "works on renewd's own machine only: it changes the account or its key";

type Act = (admin: AccountAdmin, signal: AbortSignal) => Promise<AccountFacts | null>;

export function addAccount(program: Command, cli: Cli): void {
  const account = program.command("account").description("Look at or change the ACME account of an issuer.");
  const add = (name: string, description: string, done: (issuer: string) => string, act: Act | null): Command => {
    const command = account
      .command(name)
      .description(description)
      .argument("<ISSUER>", "an issuer of the configuration");
    return performAnywhere<{ readonly yes?: boolean }>(
      command,
      cli,
      async ({ args: [issuer = ""], options, output, configFile, desk }) => {
        if (act !== null && desk.server !== null)
          throw new RenewalError("request.invalid", `--server: \`renewd account ${name}\` ${THERE_ONLY}`);
        if (name === "deactivate" && options.yes !== true) {
          throw new RenewalError(
            "request.invalid",
            "--yes: deactivating an account cannot be undone; give --yes if that is meant",
          );
        }
        const signal = AbortSignal.timeout(TIMEOUT_MS);
        const report =
          act === null ? await desk.account(issuer, signal) : await change(configFile, issuer, act, signal);
        const { account: facts } = report;
        output.report(report, () => [done(inert(issuer)), ...(facts === null ? [] : linesOf(facts))].join("\n"));
        return "ok";
      },
    );
  };
  add("show", "What the CA says of the account. Changes nothing.", (issuer) => `issuer ${issuer}`, null);
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

async function change(configFile: string, issuer: string, act: Act, signal: AbortSignal): Promise<AccountReport> {
  await using reader = await openReader(configFile);
  return { version: 1, issuer, account: await act(await accountAdmin(reader, issuer), signal) };
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
