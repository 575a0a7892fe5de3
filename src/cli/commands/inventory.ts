import type { Command } from "commander";
import { RenewalError } from "../../domain/errors.ts";
import { DISCOVERY_SOURCES } from "../../domain/inventory.ts";
import { inert, inertLines } from "../../domain/text.ts";
import { spoken } from "../../reports/instant.ts";
import { type Cli, performAnywhere } from "../command.ts";
import { refuseMistypedCommand } from "../mistypedCommand.ts";
import { renderInventory, renderInventoryKey } from "../render/inventory.ts";

const FINGERPRINT = "the begin of its fingerprint, as `renewd inventory` shows it";

export function addInventory(program: Command, cli: Cli): void {
  const inventory = program
    .command("inventory")
    .description(
      "Every certificate that `renewd discover` has found, with all its places: who manages it, when it ends.",
    );
  addList(inventory, cli);
  addKey(inventory, cli);
  addAdopt(inventory, cli);
  addIgnore(inventory, cli);
}

interface ListOptions {
  readonly source?: string;
  readonly expiring?: string;
  readonly unmanaged?: boolean;
}

function addList(inventory: Command, cli: Cli): void {
  const command = inventory
    .command("list", { isDefault: true })
    .description("Certificates, those that end first come first. `list` may be left out.")
    .option("--source <source>", `only what this source has seen: ${DISCOVERY_SOURCES.join(", ")}`)
    .option("--expiring <duration>", "only what ends within this time, such as 30d, or has ended")
    .option("--unmanaged", "only what nobody manages, without what is ignored");
  refuseMistypedCommand(inventory, command);
  performAnywhere<ListOptions>(command, cli, async ({ options, output, desk }) => {
    const { source = null, expiring = null, unmanaged = false } = options;
    if (source !== null && !DISCOVERY_SOURCES.some((each) => each === source))
      throw new RenewalError("request.invalid", `--source: must be one of ${DISCOVERY_SOURCES.join(", ")}`);
    output.report(await desk.inventory({ source, expiring, unmanaged }), renderInventory);
    return "ok";
  });
}

function addKey(inventory: Command, cli: Cli): void {
  const command = inventory
    .command("key")
    .description("Everywhere the key of a certificate was ever seen: what a leak of it is about.")
    .argument("<FINGERPRINT>", FINGERPRINT);
  performAnywhere(command, cli, async ({ args: [fingerprint = ""], output, desk }) => {
    output.report(await desk.inventoryKey(fingerprint), renderInventoryKey);
    return "ok";
  });
}

function addAdopt(inventory: Command, cli: Cli): void {
  const command = inventory
    .command("adopt")
    .description("Print what to merge into the configuration so that renewd manages it. Changes nothing.")
    .argument("<FINGERPRINT>", FINGERPRINT);
  performAnywhere(command, cli, async ({ args: [fingerprint = ""], output, desk }) => {
    output.report(await desk.adoptFound(fingerprint), ({ snippet }) => inertLines(snippet).trimEnd());
    return "ok";
  });
}

interface IgnoreOptions {
  readonly reason?: string;
  readonly until?: string;
  readonly withdraw?: boolean;
}

function addIgnore(inventory: Command, cli: Cli): void {
  const command = inventory
    .command("ignore")
    .description("Raise no alert about a certificate until an end date: somebody else takes care of it.")
    .argument("<FINGERPRINT>", FINGERPRINT)
    .option("--reason <text>", "why, shown with it")
    .option("--until <when>", "end: 90d, or an instant such as 2027-01-31")
    .option("--withdraw", "ignore it no longer");
  performAnywhere<IgnoreOptions>(command, cli, async ({ args: [fingerprint = ""], options, output, desk }) => {
    const { until, reason = null, withdraw = false } = options;
    if (withdraw === (until !== undefined))
      throw new RenewalError("request.invalid", "give either --until with --reason, or --withdraw");
    const report = await desk.ignoreFound(fingerprint, until ?? null, reason);
    output.report(report, ({ until: end, fingerprint: whole }) =>
      end === null
        ? `${inert(whole.slice(0, 12))} is ignored no longer`
        : `${inert(whole.slice(0, 12))} is ignored until ${spoken(end)}`,
    );
    return "ok";
  });
}
