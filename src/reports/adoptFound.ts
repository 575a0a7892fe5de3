import { isIP } from "node:net";
import type { FoundEndpoint, FoundTarget, InventoryEntry } from "../domain/inventory.ts";
import { inertLine } from "../domain/text.ts";

/** What the configuration has that a new certificate may use. */
export interface Adoptable {
  readonly issuers: readonly string[];
  readonly solvers: readonly { readonly name: string; readonly challengeType: string }[];
  /** Names that are taken. */
  readonly targets: readonly string[];
  readonly certificates: readonly {
    readonly name: string;
    readonly issuer: string;
    readonly solvers: readonly string[];
    readonly targets: readonly string[];
  }[];
}

/** What a configuration has, in this form. */
export function adoptableOf(config: {
  readonly issuers: ReadonlyMap<string, { readonly distrusted: boolean }>;
  readonly solvers: ReadonlyMap<string, { readonly plugin: { readonly challengeType?: string } }>;
  readonly targets: ReadonlyMap<string, unknown>;
  readonly certificates: Adoptable["certificates"];
}): Adoptable {
  return {
    issuers: [...config.issuers].filter(([, { distrusted }]) => !distrusted).map(([name]) => name),
    solvers: [...config.solvers].map(([name, { plugin }]) => ({ name, challengeType: plugin.challengeType ?? "" })),
    targets: [...config.targets.keys()],
    certificates: config.certificates,
  };
}

const KEY_TYPES: Readonly<Record<string, string>> = {
  "RSA 2048": "rsa-2048",
  "RSA 3072": "rsa-3072",
  "RSA 4096": "rsa-4096",
  "ECDSA P-384": "ecdsa-p384",
};
const DNS_NAME =
  /^(?:\*\.)?(?=.{1,253}$)(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;
const ENDPOINTS_MAX = 100;
const HTTPS_PORT = 443;

/**
 * What to merge into the configuration so that renewd manages what was found: in YAML, with names that are free. Where
 * something is not known it says so in a comment, and takes what most certificates have.
 */
export function adoptFoundSnippet({ certificate, places }: InventoryEntry, config: Adoptable): string {
  const names = certificate.names.filter((name) => isIP(name) !== 0 || DNS_NAME.test(name));
  const name = freeName(
    names[0] ?? "adopted",
    config.certificates.map((each) => each.name),
  );
  const issuer = mostUsed(config.certificates.map((each) => each.issuer)) ?? config.issuers[0];
  const solver = solverFor(names, config);
  const target = places.map((place) => place.target).find((each) => each !== null) ?? null;
  const targetName = freeName(`${name}-target`, config.targets);
  const usual = mostUsed(config.certificates.flatMap((each) => each.targets)) ?? config.targets[0];
  const endpoints = endpointsOf(places.flatMap(({ endpoint }) => endpoint ?? []));
  const guessed = endpoints.length === 0 ? guessedEndpoint(names) : null;
  const keyType = KEY_TYPES[certificate.keyText];
  const missing = [
    ...(names.length === 0 ? ["it has no name that a CA takes: add `names`"] : []),
    ...(issuer === undefined ? ["no issuer is configured: add one"] : []),
    ...(solver === undefined ? ["no solver is configured that can prove these names: add one"] : []),
    ...(target === null && usual === undefined
      ? ["no target is configured, and where it is kept is not known: add one"]
      : []),
  ];
  const lines = [
    ...(target === null ? [] : ["targets:", `  ${quoted(targetName)}: ${yaml(target)}`]),
    "certificates:",
    `  ${quoted(name)}:`,
    `    names: ${yaml(names)}`,
    ...(keyType === undefined ? [] : [`    keyType: ${keyType}`]),
    `    issuer: ${quoted(issuer ?? "ISSUER")}`,
    `    solver: ${quoted(solver ?? "SOLVER")}`,
    ...(target === null ? ["    # Where its files are is not known: this is what other certificates have."] : []),
    `    targets: ${yaml([target === null ? (usual ?? "TARGET") : targetName])}`,
    ...(guessed === null ? [] : ["    # It was not seen at any endpoint: say where clients meet it."]),
    `    endpoints: [${guessed ?? endpoints.join(", ")}]`,
  ];
  return [
    `# ${inertLine(certificate.fingerprint)}: merge this into the configuration, then \`renewd config check\`.`,
    ...missing.map((what) => `# NOT READY: ${what}`),
    // What is not ready is a comment, so that the file stays valid.
    ...(missing.length === 0 ? lines : lines.map((line) => `# ${line}`)),
    "",
  ].join("\n");
}

function solverFor(names: readonly string[], { solvers, certificates }: Adoptable): string | undefined {
  const needsDns = names.some((name) => name.startsWith("*."));
  const fits = solvers.filter(({ challengeType }) => !needsDns || challengeType.startsWith("dns"));
  const usual = mostUsed(
    certificates.flatMap((each) => each.solvers).filter((each) => fits.some(({ name }) => name === each)),
  );
  return usual ?? fits[0]?.name;
}

function mostUsed(values: readonly string[]): string | undefined {
  const counts = Map.groupBy(values, (value) => value);
  return [...counts].toSorted(([, a], [, b]) => b.length - a.length)[0]?.[0];
}

/** Each place once; where a name led to several addresses, the name. */
function endpointsOf(all: readonly FoundEndpoint[]): string[] {
  // An address that was asked for a name says no more than the name that leads there.
  const named = new Set(all.map(({ host, address, port, sni }) => (host === sni ? `${address} ${port} ${sni}` : "")));
  const kept = all.filter((each) => each.host === each.sni || !named.has(`${each.address} ${each.port} ${each.sni}`));
  const written = kept.map(({ host, port, sni, starttls }) =>
    sni === host && starttls === null
      ? yaml(`${isIP(host) === 6 ? `[${host}]` : host}:${port}`)
      : yaml({ host, port, ...(isIP(sni) === 0 && { sni }), ...(starttls !== null && { starttls }) }),
  );
  return [...new Set(written)].slice(0, ENDPOINTS_MAX);
}

function guessedEndpoint(names: readonly string[]): string {
  const host = names.find((name) => !name.startsWith("*."));
  if (host !== undefined) return yaml(`${isIP(host) === 6 ? `[${host}]` : host}:${HTTPS_PORT}`);
  const below = (names[0] ?? "*.example.org").slice(2);
  return yaml({ host: below, port: HTTPS_PORT, sni: `www.${below}` });
}

/** As the configuration names things, and not in the list. */
function freeName(wanted: string, taken: readonly string[]): string {
  const plain = wanted
    .toLowerCase()
    .replace(/^\*\./, "")
    .replace(/[^a-z0-9._-]/g, "-")
    .replace(/^[^a-z0-9]+/, "")
    .slice(0, 56);
  const base = plain === "" ? "adopted" : plain;
  for (let count = 1; ; count++) {
    const name = count === 1 ? base : `${base}-${count}`;
    if (!taken.includes(name)) return name;
  }
}

/** Flow YAML: JSON, but for keys without quotes. */
function yaml(
  value: FoundTarget | readonly string[] | string | Readonly<Record<string, string | number | boolean>>,
): string {
  if (Array.isArray(value)) return `[${value.map(quoted).join(", ")}]`;
  if (typeof value !== "object") return quoted(String(value));
  const pairs = Object.entries(value).map(([key, each]) => {
    if (Array.isArray(each)) return `${key}: ${yaml(each)}`;
    return `${key}: ${typeof each === "string" ? quoted(each) : String(each)}`;
  });
  return `{ ${pairs.join(", ")} }`;
}

function quoted(text: string): string {
  return /^[a-z][a-z0-9-]*$/.test(text) && !/^(true|false|null|yes|no|on|off|y|n)$/.test(text)
    ? text
    : JSON.stringify(text);
}
