import { type Command, Option } from "commander";
import { scan } from "../../compose/index.ts";
import {
  type Endpoint,
  HTTPS_PORT,
  STARTTLS_PORTS,
  STARTTLS_PROTOCOLS,
  type StartTlsProtocol,
} from "../../domain/endpoint.ts";
import { RenewalError } from "../../domain/errors.ts";
import { durationOption } from "../../domain/writtenTime.ts";
import { type Cli, perform } from "../command.ts";
import { checkHost, checkHostAndPort } from "../doors.ts";
import { interruptible } from "../interruptible.ts";
import { renderScan } from "../render/scan.ts";

interface Options {
  readonly starttls?: StartTlsProtocol;
  readonly sni?: string;
  readonly trust: readonly string[];
  readonly timeout: string;
}

export function addScan(program: Command, cli: Cli): void {
  const command = program
    .command("scan")
    .description(
      "Show what clients get at every address of a host, and judge it: names, dates, chain up to a trusted root, " +
        "keys, signatures. Needs no configuration. Exit code 1 when something is wrong.",
    )
    .argument("<HOST[:PORT]>", "such as www.example.org, 192.0.2.1:8443 or [2001:db8::1]:443")
    .addOption(
      new Option("--starttls <protocol>", "for a port that begins in plain text").choices([...STARTTLS_PROTOCOLS]),
    )
    .option("--sni <name>", "the server name to ask for (default: the host)")
    .option(
      "--trust <file>",
      "trust the roots in this PEM file as well; may be repeated",
      (file: string, files: readonly string[]) => [...files, file],
      [] as readonly string[],
    )
    .option("--timeout <duration>", "of one handshake", "10s");
  perform<Options>(command, cli, async ({ args: [place = ""], options, output }) => {
    const endpoint = await endpointOf(place, options);
    const how = { timeoutMs: durationOption("--timeout", options.timeout), trustFiles: options.trust };
    return interruptible(async (signal) => {
      const report = await scan(endpoint, how, signal);
      output.report(report, renderScan);
      return report.passed ? "ok" : "wrong";
    });
  });
}

async function endpointOf(place: string, { starttls, sni }: Options): Promise<Endpoint> {
  const written = withoutScheme(place);
  const checked = await checkHostAndPort(written, starttls === undefined ? HTTPS_PORT : STARTTLS_PORTS[starttls]);
  if ("problem" in checked) throw new RenewalError("request.invalid", `"${written.slice(0, 80)}" ${checked.problem}`);
  const name = sni === undefined ? { value: checked.value.host } : await checkHost(sni);
  if ("problem" in name)
    throw new RenewalError("request.invalid", `--sni: "${(sni ?? "").slice(0, 80)}" ${name.problem}`);
  return { ...checked.value, sni: name.value, target: null, ...(starttls !== undefined && { starttls }) };
}

/** People paste what the browser shows. */
function withoutScheme(place: string): string {
  return /^https:\/\/([^/?#@]+)/i.exec(place)?.[1] ?? place;
}
