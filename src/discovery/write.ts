import type { Answers, ProposedCertificate, ProposedSolver } from "./proposed.ts";
import type { ProposedTarget } from "./targets.ts";
import { yamlText } from "./yamlText.ts";

/** What the configuration takes for a key type that is left out. */
const DEFAULT_KEY_TYPE = "ecdsa-p256";
/** Where renewd's responder listens when a web server has port 80 and forwards the challenges. */
const FORWARDED_PORT = 8402;

const KNOWN_CAS: readonly (readonly [host: string, name: string])[] = [
  ["acme-v02.api.letsencrypt.org", "letsencrypt"],
  ["acme-staging-v02.api.letsencrypt.org", "letsencrypt-staging"],
  ["acme.zerossl.com", "zerossl"],
  ["api.buypass.com", "buypass"],
  ["dv.acme-v02.api.pki.goog", "google"],
];

/** CAs that take no account but one that was opened on their pages. */
const EXTERNAL_ACCOUNT: readonly string[] = ["acme.zerossl.com", "dv.acme-v02.api.pki.goog"];

interface Surroundings {
  readonly answers: Answers;
  readonly sharesPort80With: string | null;
}

/** Things that get a name in the configuration, equal ones the same. */
class Named<T> {
  readonly #names = new Map<string, { readonly name: string; readonly value: T }>();
  add(value: T, wanted: string): string {
    const found = this.#names.get(JSON.stringify(value));
    if (found !== undefined) return found.name;
    const taken = new Set(this.entries.map(({ name }) => name));
    let name = wanted;
    for (let count = 2; taken.has(name); count += 1) name = `${wanted}-${count}`;
    this.#names.set(JSON.stringify(value), { name, value });
    return name;
  }
  get entries(): readonly { readonly name: string; readonly value: T }[] {
    return [...this.#names.values()];
  }
}

/** The proposal as a commented file. What is not ready is a comment, so that the file is valid as it is. */
export function writeConfiguration(
  certificates: readonly ProposedCertificate[],
  { answers, sharesPort80With }: Surroundings,
): string {
  const issuers = new Named<string>();
  const solvers = new Named<ProposedSolver>();
  const targets = new Named<ProposedTarget>();
  // Even with nothing found the file says how it goes on.
  if (certificates.length === 0) issuers.add(answers.directory, issuerName(answers.directory));
  if (certificates.every(({ solver }) => solver === null)) solvers.add({ type: "http-01" }, "web");
  const blocks = certificates.map((certificate) => {
    const issuer = issuers.add(certificate.directory, issuerName(certificate.directory));
    const solver =
      certificate.solver === null ? "YOUR-SOLVER" : solvers.add(certificate.solver, solverName(certificate.solver));
    const put = certificate.targets.map((target) => targets.add(target, String(target.type)));
    return block(certificate, { issuer, solver, targets: [...new Set(put)] });
  });
  return [
    "# Proposed by `renewd init` from what it found on this machine. Every key: docs/configuration.md",
    "# Check it with `renewd config check`, see what it would do with `renewd plan`; nothing happens before `renewd run`.",
    "version: 1",
    "",
    "# Database, master key (keep a copy elsewhere) and private Redis.",
    `dataDir: ${yamlText(answers.dataDir)}`,
    "",
    ...responder(sharesPort80With),
    "issuers:",
    ...issuers.entries.flatMap(({ name, value }) => issuerLines(name, value, answers)),
    "",
    "# How a CA is shown that the names are yours.",
    "solvers:",
    ...solvers.entries.map(({ name, value }) => `  ${name}: ${yamlText(value)}`),
    "",
    "# Where pairs are put: the files that the servers read today. `renewd targets` lists all kinds.",
    ...(targets.entries.length === 0
      ? [
          "# targets:",
          '#   balancer: { type: haproxy, socket: /run/haproxy/admin.sock, file: "/etc/haproxy/certs/{certificate}.pem" }',
        ]
      : ["targets:", ...targets.entries.map(({ name, value }) => `  ${name}: ${yamlText(value)}`)]),
    "",
    ...(blocks.length === 0
      ? EXAMPLE
      : certificates.some(({ obstacle }) => obstacle === null)
        ? ["certificates:"]
        : ["certificates: {}"]),
    ...blocks.flat(),
    "",
  ].join("\n");
}

const EXAMPLE = [
  "certificates: {}",
  "#  www:",
  "#    names: [www.example.org, example.org]",
  "#    issuer: letsencrypt",
  "#    solver: web",
  "#    targets: [balancer]",
  '#    endpoints: ["www.example.org:443"]',
];

function responder(sharesPort80With: string | null): string[] {
  if (sharesPort80With === null) return [];
  return [
    `# ${sharesPort80With} has port 80: let it forward /.well-known/acme-challenge/ to this address (docs/port80.md).`,
    `http01: { host: 127.0.0.1, port: ${FORWARDED_PORT} }`,
    "",
  ];
}

function issuerLines(name: string, directory: string, { contact, termsOfServiceAgreed }: Answers): string[] {
  const terms = termsOfServiceAgreed ? "true" : "false # read the CA's terms, then say true";
  const host = URL.canParse(directory) ? new URL(directory).hostname : "";
  const account = EXTERNAL_ACCOUNT.includes(host)
    ? ["    # This CA demands its own account: externalAccount: { keyId, hmacKey } (docs/issuers.md)"]
    : [];
  return [
    `  ${name}:`,
    ...account,
    `    directory: ${yamlText(directory)}`,
    contact === null ? "    # contact: [ops@example.org]" : `    contact: ${yamlText([contact])}`,
    `    termsOfServiceAgreed: ${terms}`,
  ];
}

function block(
  { name, names, keyType, endpoints, obstacle, renewedBy, hook, servers }: ProposedCertificate,
  { issuer, solver, targets }: Readonly<Record<"issuer" | "solver", string> & { targets: readonly string[] }>,
): string[] {
  const served = servers.length === 0 ? "no server was found that reads it" : `served by ${servers.join(", ")}`;
  const client =
    renewedBy === null ? "" : `; renewed by ${renewedBy} today: switch that off once renewd has proved it live`;
  const lines = [
    `  ${yamlText(name)}:`,
    `    names: ${yamlText(names)}`,
    // Without it an RSA pair would become an ECDSA one.
    ...(keyType === null || keyType === DEFAULT_KEY_TYPE ? [] : [`    keyType: ${keyType}`]),
    `    issuer: ${issuer}`,
    `    solver: ${solver}`,
    `    targets: [${targets.join(", ")}]`,
    `    endpoints: ${yamlText(endpoints)}`,
  ];
  return [
    `  # ${served}${client}`,
    ...(hook === null ? [] : [`  # After a renewal ${renewedBy} runs: ${hook}`]),
    ...(obstacle === null ? [] : [`  # NOT READY: ${obstacle}`]),
    ...(obstacle === null ? lines : lines.map((line) => `  #${line.slice(1)}`)),
  ];
}

function issuerName(directory: string): string {
  const host = URL.canParse(directory) ? new URL(directory).hostname : "";
  return KNOWN_CAS.find(([known]) => known === host)?.[1] ?? (/^[a-z0-9][a-z0-9.-]{0,40}$/.test(host) ? host : "ca");
}

const solverName = ({ type }: ProposedSolver): string => (type === "webroot" ? "webroot" : "web");
