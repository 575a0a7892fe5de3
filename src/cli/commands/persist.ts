import type { Command } from "commander";
import { persistReport } from "../../compose/index.ts";
import { futureOption } from "../../domain/writtenTime.ts";
import { type Cli, perform } from "../command.ts";
import { interruptible } from "../interruptible.ts";
import { renderPersist } from "../render/persist.ts";

interface Options {
  readonly issuer?: string;
  readonly until?: string;
  readonly register?: boolean;
}

/** A part of `renewd challenges`. */
export function addPersist(challenges: Command, cli: Cli): void {
  const command = challenges
    .command("persist")
    .description(
      "The TXT records to create once so that dns-persist-01 proves control of a certificate's names, or of one name, " +
        "in every order, and whether every name server has them. Experimental: for CAs that offer dns-persist-01.",
    )
    .argument("<NAME>", "a certificate of the configuration, or a DNS name (`*.` before it: wildcards too)")
    .option("--issuer <name>", "of this issuer only (default: the certificate's issuers)")
    .option("--until <time>", "the records end then, such as 2027-11-01 or 52w (default: never)")
    .option("--register", "register an account where an issuer has none yet");
  perform<Options>(command, cli, async ({ args: [name = ""], options, output, configFile }) => {
    const until = options.until === undefined ? null : futureOption("--until", options.until, Date.now());
    const wanted = { subject: name, issuer: options.issuer ?? null, until, register: options.register ?? false };
    return interruptible(async (signal) => {
      const report = await persistReport(configFile, wanted, signal);
      output.report(report, renderPersist);
      return report.records.every(({ state }) => state === "right") ? "ok" : "wrong";
    });
  });
}
