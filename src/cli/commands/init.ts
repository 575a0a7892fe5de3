import { open } from "node:fs/promises";
import { homedir } from "node:os";
import { join } from "node:path";
import type { Command } from "commander";
import { type MachineProposal, mistakesIn, proposeConfiguration } from "../../compose/index.ts";
import { RenewalError } from "../../domain/errors.ts";
import { inert } from "../../domain/text.ts";
import { userExists } from "../../domain/userName.ts";
import { iso } from "../../reports/instant.ts";
import { type Cli, type CommandCall, perform } from "../command.ts";
import { interruptible } from "../interruptible.ts";
import { type InitReport, renderInit } from "../render/init.ts";

interface Options {
  readonly input: boolean;
  readonly contact?: string;
  readonly ca?: string;
  readonly agreeTos?: boolean;
  readonly dataDir?: string;
  readonly root: string;
  readonly force?: boolean;
  readonly print?: boolean;
}

const CAS: Readonly<Record<string, string>> = {
  letsencrypt: "https://acme-v02.api.letsencrypt.org/directory",
  "letsencrypt-staging": "https://acme-staging-v02.api.letsencrypt.org/directory",
  google: "https://dv.acme-v02.api.pki.goog/directory",
  zerossl: "https://acme.zerossl.com/v2/DV90",
};

export function addInit(program: Command, cli: Cli): void {
  const command = program
    .command("init")
    .description(
      "Look at this machine (nginx, Apache, HAProxy, Caddy, certbot, acme.sh, lego) and propose a configuration. " +
        "Changes nothing but the file it writes.",
    )
    .option("--contact <address>", "e-mail address for the CA's notices")
    .option("--ca <name|url>", `${Object.keys(CAS).join(", ")}, or a directory URL`, "letsencrypt")
    .option("--agree-tos", "you have read the CA's terms of service and agree")
    .option("--data-dir <directory>", "where renewd keeps its state")
    .option("--root <directory>", "look below this directory, such as a mounted image", "/")
    .option("--force", "overwrite the file if there is one")
    .option("--print", "write no file: print the proposal");
  perform<Options>(command, cli, (call) => interruptible((signal) => initialise(call, signal)));
}

async function initialise(
  { options, output, configFile }: CommandCall<Options>,
  signal: AbortSignal,
): Promise<"ok" | "usage"> {
  const answers = await answersFrom(options);
  const proposal = await proposeConfiguration(options.root, answers, signal);
  const file = options.print === true ? null : configFile;
  if (file !== null) await write(file, proposal.text, options.force === true);
  const problems = file === null ? [] : (await mistakesIn(file)).map(({ line, message }) => `line ${line}: ${message}`);
  output.report(reportOf(proposal, file, problems), renderInit);
  return "ok";
}

async function answersFrom(options: Options): Promise<Parameters<typeof proposeConfiguration>[1]> {
  const defaults = { contact: options.contact ?? null, termsOfServiceAgreed: options.agreeTos === true };
  const directory = directoryOf(options.ca ?? "letsencrypt");
  const dataDir =
    options.dataDir ?? (process.getuid?.() === 0 ? "/var/lib/renewd" : join(homedir(), ".local/share/renewd"));
  if (!options.input) return { ...defaults, directory, dataDir };
  if (process.stdin.isTTY !== true)
    throw new RenewalError(
      "request.invalid",
      "--no-input: is needed where nobody can be asked: then --contact, --ca, --agree-tos and --data-dir say what you would be asked",
    );
  const { createInterface } = await import("node:readline/promises");
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  try {
    const ask = async (question: string, fallback: string): Promise<string> =>
      (await terminal.question(`${question}${fallback === "" ? "" : ` [${fallback}]`}: `)).trim() || fallback;
    const contact = await ask("E-mail address for the CA's notices, or nothing", options.contact ?? "");
    const ca = directoryOf(
      await ask(`CA: ${Object.keys(CAS).join(", ")}, or a directory URL`, options.ca ?? "letsencrypt"),
    );
    const agreed =
      options.agreeTos === true || (await ask("Do you agree to this CA's terms of service? yes or no", "no")) === "yes";
    const where = await ask("Directory for renewd's database and keys", dataDir);
    return { contact: contact === "" ? null : contact, directory: ca, termsOfServiceAgreed: agreed, dataDir: where };
  } finally {
    terminal.close();
  }
}

function directoryOf(ca: string): string {
  const known = Object.hasOwn(CAS, ca) ? CAS[ca] : undefined;
  if (known !== undefined) return known;
  if (URL.canParse(ca) && new URL(ca).protocol === "https:") return ca;
  throw new RenewalError("request.invalid", `--ca: must be ${Object.keys(CAS).join(", ")} or an https:// URL`);
}

/** Created by us or not at all, unless the person said `--force`. */
async function write(file: string, text: string, force: boolean): Promise<void> {
  try {
    await using handle = await open(file, force ? "w" : "wx", 0o644);
    await handle.writeFile(text);
  } catch (cause) {
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
    const why =
      code === "EEXIST" ? "exists already: take -c FILE for another one, or --force" : `cannot be written (${code})`;
    throw new RenewalError("request.invalid", `${file} ${why}`, { cause });
  }
}

/** As docs/installation.md creates it. */
const SERVICE_USER = "renewd";

function reportOf(proposal: MachineProposal, file: string | null, problems: readonly string[]): InitReport {
  const { certificates, discovery, sharesPort80With, strange, text } = proposal;
  return {
    version: 1,
    file,
    runAs: process.geteuid?.() === 0 && userExists(SERVICE_USER) ? SERVICE_USER : null,
    configuration: text,
    certificates: certificates.map((each) => ({
      name: each.name,
      names: each.names,
      certificateFile: each.certificate,
      keyFile: each.key,
      expiresAt: each.notAfter === null ? null : iso(each.notAfter),
      servers: each.servers,
      renewedBy: each.renewedBy,
      obstacle: each.obstacle,
    })),
    servers: discovery.servers.map(({ server, place }) => `${server} (${place})`),
    unreadable: [
      ...discovery.unreadable.map((each) => `${inert(each)}: run as a user who may, such as root`),
      ...strange.map((path) => `${inert(path)} is named as a certificate file, and renewd cannot write such a path`),
    ],
    sharesPort80With,
    problems,
  };
}
