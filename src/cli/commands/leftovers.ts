import type { Command } from "commander";
import { forgetLeftovers, openReader, openReaderToLook, removeLeftovers } from "../../compose/index.ts";
import { RenewalError } from "../../domain/errors.ts";
import { leftPlaces } from "../../domain/leftTarget.ts";
import { iso, spoken } from "../../reports/instant.ts";
import { type Cli, perform } from "../command.ts";
import { renderTable } from "../terminal/table.ts";

/** `renewd leftovers --json`. */
export interface LeftoversReport {
  readonly version: 1;
  readonly leftovers: readonly {
    readonly certificate: string;
    readonly target: string;
    readonly leftAt: string | null;
    readonly places: readonly string[];
    /** Files that this command removed; null: it removed nothing there. */
    readonly removed: readonly string[] | null;
  }[];
}

interface Options {
  readonly remove?: boolean;
  readonly forget?: boolean;
}

const REMOVE_TIMEOUT_MS = 60_000;

export function addLeftovers(program: Command, cli: Cli): void {
  const command = program
    .command("leftovers")
    .description("Pairs with private keys left by targets that left the configuration or write elsewhere now.")
    .option("--remove", "remove the key files among them that are on this machine")
    .option("--forget", "list them no longer: they were removed by hand, or shall stay");
  perform<Options>(command, cli, async ({ options, output, configFile }) => {
    if (options.remove === true && options.forget === true)
      throw new RenewalError("request.invalid", "give either --remove or --forget");
    const changes = options.remove === true || options.forget === true;
    await using reader = await (changes ? openReader : openReaderToLook)(configFile);
    const removeOrForget =
      options.remove === true
        ? removeLeftovers(reader, AbortSignal.timeout(REMOVE_TIMEOUT_MS))
        : options.forget === true
          ? forgetLeftovers(reader)
          : reader.store.leftTargets.list().then((all) => all.map((left) => ({ left, removed: null })));
    const leftovers = (await removeOrForget).map(({ left, removed }) => ({
      certificate: left.certificate,
      target: left.target,
      leftAt: iso(left.leftAt),
      places: leftPlaces(left),
      removed,
    }));
    const report: LeftoversReport = { version: 1, leftovers };
    output.report(report, (_, screen) => {
      if (leftovers.length === 0)
        return "nothing is left of targets that left the configuration or write elsewhere now";
      const columns = [
        { title: "CERTIFICATE" },
        { title: "TARGET" },
        { title: "LEFT" },
        { title: "PLACE", widthMin: 20, wraps: true },
      ];
      const rows = leftovers.flatMap(({ certificate, target, leftAt, places, removed }) =>
        (removed ?? places).map((place) => [
          certificate,
          target,
          spoken(leftAt),
          removed === null ? place : `removed ${place}`,
        ]),
      );
      return renderTable(columns, rows, screen).join("\n");
    });
    return "ok";
  });
}
