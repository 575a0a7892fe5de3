import type { Command } from "commander";
import { acmeShReport } from "../../compose/index.ts";
import { inert } from "../../domain/text.ts";
import type { AcmeShReport } from "../../reports/acmeShScript.ts";
import { type Cli, perform } from "../command.ts";
import type { Screen } from "../terminal/style.ts";
import { renderTable } from "../terminal/table.ts";

/** `renewd solvers acme.sh dns_cf` */
export function addAcmeShScript(solvers: Command, cli: Cli): void {
  const command = solvers
    .command("acme.sh")
    .description("The variables that a dnsapi script of your own acme.sh takes, from the script itself.")
    .argument("<NAME>", "name of the script, such as dns_cf")
    .option("--home <DIR>", "directory of acme.sh (default: that of the configured solver)");
  perform<{ home?: string }>(command, cli, async ({ args: [script = ""], options: { home }, output, configFile }) => {
    output.report(await acmeShReport(configFile, { script, home }), renderScript);
    return "ok";
  });
}

function renderScript({ script, title, docs, sets }: AcmeShReport, screen: Screen): string {
  const head = [`${inert(script)}: ${title === null ? "says nothing of itself" : inert(title)}`];
  if (docs !== null) head.push(inert(docs));
  const tables = sets.flatMap((set, index) => [
    "",
    index === 0 ? "Variables:" : "Or instead:",
    ...renderTable(
      [{ title: "NAME" }, { title: "NEEDED" }, { title: "MEANING", widthMin: 20, wraps: true }],
      set.map(({ name, description, isOptional }) => [name, isOptional ? "no" : "yes", description]),
      screen,
    ),
  ]);
  return [...head, ...tables].join("\n");
}
