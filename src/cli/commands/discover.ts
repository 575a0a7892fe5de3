import type { Command } from "commander";
import { discover, discoverRequest, openReader } from "../../compose/index.ts";
import { type Cli, perform } from "../command.ts";
import { interruptible } from "../interruptible.ts";
import { renderDiscover } from "../render/inventory.ts";

interface Options {
  readonly allow: readonly string[];
  readonly port: readonly string[];
  readonly password: readonly string[];
  readonly pick: readonly string[];
}

const collect = (text: string, all: readonly string[]): readonly string[] => [...all, text];

export function addDiscover(program: Command, cli: Cli): void {
  const command = program
    .command("discover")
    .description(
      "Look for certificates, no matter who renews them, and keep what is found in the inventory. Changes nothing elsewhere.",
    )
    .argument(
      "[SOURCE...]",
      "servers, clients, files, targets, lemur, hosts, sni, zones, networks, ct; or a place: /etc/ssl, host:port, " +
        "192.0.2.0/24, zone:NAME@SERVER, ct:DOMAIN. Default: everything that is configured",
    )
    .option("--allow <network>", "a private network that may be dialled; may be repeated", collect, [])
    .option("--port <port>", "dial hosts, networks and zones at this port (default: 443); may be repeated", collect, [])
    .option("--password <reference>", "of PKCS#12 files: env:NAME or file:/path; may be repeated", collect, [])
    .option(
      "--pick <serial>",
      "take a certificate that `ct` has shown into the inventory; may be repeated",
      collect,
      [],
    );
  perform<Options>(command, cli, async ({ args, options, configFile, output }) => {
    const { allow, port: ports, password: passwords, pick: picks } = options;
    await using reader = await openReader(configFile);
    const request = await discoverRequest(reader.config, { sources: args, allow, ports, passwords, picks });
    return await interruptible(async (signal) => {
      const report = await discover(reader, request, signal);
      output.report(report, renderDiscover);
      return "ok";
    });
  });
}
