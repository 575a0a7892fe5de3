import type { Command } from "commander";
import { leftoversReport, openReader, removeLeftovers } from "../../compose/index.ts";
import { RenewalError } from "../../domain/errors.ts";
import { spoken } from "../../reports/instant.ts";
import type { LeftoversReport } from "../../reports/leftovers.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { renderTable } from "../terminal/table.ts";

interface Options {
  readonly remove?: boolean;
  readonly forget?: boolean;
  readonly yes?: boolean;
}

const REMOVE_TIMEOUT_MS = 60_000;

export function addLeftovers(program: Command, cli: Cli): void {
  const command = program
    .command("leftovers")
    .description("Pairs with private keys left by targets that left the configuration or write elsewhere now.")
    .option("--remove", "remove the key files among them that are on this machine, but for those still served")
    .option("-y, --yes", "with --remove: also those that an endpoint may still be served from")
    .option("--forget", "list them no longer: they were removed by hand, or shall stay");
  performAnywhere<Options>(command, cli, async ({ options, output, configFile, desk }) => {
    if (options.remove === true && options.forget === true)
      throw new RenewalError("request.invalid", "give either --remove or --forget");
    if (options.remove === true && desk.server !== null)
      throw new RenewalError("request.invalid", "--remove: removes files of the machine it runs on: run it there");
    const report =
      options.remove === true
        ? await remove(configFile, options.yes === true)
        : options.forget === true
          ? await desk.forgetLeftovers()
          : await desk.leftovers();
    const { leftovers } = report;
    output.report(report, (_, screen) => {
      if (leftovers.length === 0)
        return "nothing is left of targets that left the configuration or write elsewhere now";
      const columns = [
        { title: "CERTIFICATE" },
        { title: "TARGET" },
        { title: "LEFT" },
        { title: "PLACE", widthMin: 20, wraps: true },
      ];
      const rows = leftovers.flatMap(({ certificate, target, leftAt, places, servedAt, removed }) =>
        (removed ?? places).map((place) => [
          certificate,
          target,
          spoken(leftAt),
          removed === null ? `${place}${keptFor(servedAt)}` : `removed ${place}`,
        ]),
      );
      return renderTable(columns, rows, screen).join("\n");
    });
    return "ok";
  });
}

function keptFor(servedAt: readonly string[]): string {
  if (servedAt.length === 0) return "";
  return ` (stays: ${servedAt.join(", ")} may still be served from it; let that server read another file first)`;
}

async function remove(configFile: string, served: boolean): Promise<LeftoversReport> {
  await using reader = await openReader(configFile);
  return await leftoversReport(
    reader,
    await removeLeftovers(reader, { served }, AbortSignal.timeout(REMOVE_TIMEOUT_MS)),
  );
}
