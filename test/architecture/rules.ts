/** The import table of the architecture. docs/architecture.md shows it; a test keeps both the same. */

export interface FolderRule {
  /** Rooms whose files may be imported. A room may always import itself. */
  readonly mayImport: readonly string[];
  /** Folders of which only types may be imported: the code behind them arrives through compose. */
  readonly typesOnly?: readonly string[];
  /** Folders of which only the registry (index.ts) may be imported. */
  readonly registryOnly?: readonly string[];
}

const PARTS = [
  "domain",
  "renewal",
  "renewal/rules",
  "reports",
  "actions",
  "x509",
  "queue",
  "tls",
  "tls/scan",
  "process",
  "acme",
  "solvers",
  "solvers/dns",
  "solvers/dns/providers",
  "solvers/dns/bridges",
  "solvers/dns/server",
  "discovery",
  "horizon",
  "deployers",
  "store",
  "store/dialect",
  "notify",
  "config",
  "config/schema",
  "config/read",
  "config/check",
  "log",
  "web",
];
const READS = [
  "compose",
  "config",
  "config/schema",
  "config/read",
  "reports",
  "actions",
  "renewal",
  "renewal/rules",
  "domain",
  "log",
];
const ENTRY: FolderRule = { mayImport: READS, typesOnly: ["queue"] };

/**
 * Rooms of the house: `src/<name>/` or `src/<name>.ts`; `workers` is the top-level folder. A file belongs to the
 * longest name that fits, `a/*` standing for every folder of `a` without a line of its own. A folder in no room is a
 * violation.
 */
export const FOLDERS: Readonly<Record<string, FolderRule>> = {
  domain: { mayImport: [] },
  "renewal/rules": { mayImport: ["domain"] },
  renewal: { mayImport: ["domain", "renewal/rules"] },
  reports: { mayImport: ["domain", "renewal/rules"] },
  // What a person may do, for terminal, pages and API alike.
  actions: { mayImport: ["domain", "renewal", "renewal/rules", "reports", "config/read"] },
  x509: { mayImport: ["domain"] },
  queue: { mayImport: ["domain"] },
  // Who holds the other end of a connection is told by the kernel, not by the peer.
  tls: { mayImport: ["domain", "process"] },
  // It judges what is served as a client does; the probe beside it compares with what was issued.
  "tls/scan": { mayImport: ["domain", "x509", "tls"] },
  process: { mayImport: [] },
  acme: { mayImport: ["domain", "x509"] },
  // The engine knows no provider: each is handed to it by the registry.
  "solvers/dns": { mayImport: ["domain", "x509"] },
  "solvers/dns/providers": { mayImport: ["domain", "x509", "solvers/dns"] },
  "solvers/dns/bridges": { mayImport: ["domain", "x509", "process", "solvers/dns"] },
  "solvers/dns/server": { mayImport: ["domain", "x509", "solvers/dns"] },
  solvers: {
    mayImport: ["domain", "x509", "solvers/dns", "solvers/dns/providers", "solvers/dns/bridges", "solvers/dns/server"],
  },
  discovery: { mayImport: ["domain", "x509"] },
  // Ends that no adapter of another folder knows of: registrations and certificate files.
  horizon: { mayImport: ["domain", "x509"] },
  "deployers/base": { mayImport: ["domain", "x509"] },
  "deployers/local": { mayImport: ["domain", "x509", "process", "deployers/base"] },
  "deployers/*": { mayImport: ["domain", "x509", "process", "deployers/base", "deployers/local"] },
  deployers: { mayImport: ["domain", "deployers/base", "deployers/*"] },
  "store/dialect": { mayImport: ["domain"] },
  store: { mayImport: ["domain", "x509", "store/dialect"] },
  notify: { mayImport: ["domain", "x509", "process"] },
  "config/schema": { mayImport: ["domain"], registryOnly: ["solvers", "deployers", "notify"] },
  "config/read": { mayImport: ["domain", "config/schema"] },
  "config/check": { mayImport: ["domain", "config", "config/schema", "config/read"] },
  config: { mayImport: ["domain", "config/schema", "config/read", "config/check"] },
  log: { mayImport: ["domain"] },
  compose: { mayImport: PARTS },
  // Compose starts the http-01 responder and later the API, so web is handed what it needs and imports no wiring.
  web: {
    mayImport: [
      "reports",
      "actions",
      "renewal",
      "renewal/rules",
      "domain",
      "x509",
      "config",
      "config/schema",
      "config/read",
      "log",
    ],
    typesOnly: ["queue"],
  },
  // The package's own door: interfaces, and requests through the queue.
  // The face of the package also shows what DNS providers outside it are made with.
  index: { mayImport: ["compose", "domain", "solvers/dns"] },
  cli: ENTRY,
  workers: ENTRY,
};

export interface PackageRule {
  /** Folders (or single files) that may import it. */
  readonly owners: readonly string[];
  /** Folders that may import its types only. */
  readonly typesOnly?: readonly string[];
  /** Large and needed by few: loaded when its target is first used, so never by a static import. */
  readonly lazy?: true;
  /** Why we depend on it, one sentence. */
  readonly why: string;
}

/** Every package that src/ and workers/ may import. A package that is not listed is a violation. */
export const PACKAGES: Readonly<Record<string, PackageRule>> = {
  bullmq: { owners: ["src/queue"], why: "The queue: jobs, schedulers, delays and stall recovery on Redis." },
  ioredis: { owners: ["src/queue"], why: "BullMQ's Redis client, listed because it is an optional peer of bullmq." },
  "@opentelemetry/api": {
    owners: ["src/queue/tracing.ts"],
    lazy: true,
    why: "The interface of OpenTelemetry, which bullmq-otel writes spans to; optional, loaded when tracing is configured.",
  },
  "@opentelemetry/sdk-trace-node": {
    owners: ["src/queue/tracing.ts"],
    lazy: true,
    why: "Keeps spans together across asynchronous calls and sends them in batches; optional, as above.",
  },
  "@opentelemetry/exporter-trace-otlp-http": {
    owners: ["src/queue/tracing.ts"],
    lazy: true,
    why: "Sends spans to any OTLP receiver over HTTP; optional, as above.",
  },
  "bullmq-otel": {
    owners: ["src/queue/tracing.ts"],
    lazy: true,
    why: "Spans of BullMQ's jobs, whose trace it hands from producer to worker; optional, as above.",
  },
  "acme-client": { owners: ["src/acme"], why: "ACME's signed requests, orders and challenges (RFC 8555)." },
  kysely: { owners: ["src/store"], why: "One set of typed queries for SQLite and PostgreSQL." },
  pg: { owners: ["src/store"], why: "The PostgreSQL driver." },
  "node:sqlite": {
    owners: ["src/store", "src/deployers/local/lockFile.ts"],
    why: "The embedded store, and a file lock between processes; part of Node, owned like a package.",
  },
  "@aws-sdk/client-acm": {
    owners: ["src/deployers/aws"],
    lazy: true,
    why: "AWS's own client for ACM: credentials, signing and retries as AWS defines them.",
  },
  "@aws-sdk/client-secrets-manager": {
    owners: ["src/deployers/aws"],
    lazy: true,
    why: "AWS's own client for Secrets Manager; optional, loaded at first use.",
  },
  "@aws-sdk/client-iam": {
    owners: ["src/deployers/aws"],
    lazy: true,
    why: "AWS's own client for IAM server certificates; optional, loaded at first use.",
  },
  "@kubernetes/client-node": {
    owners: ["src/deployers/kubernetes"],
    lazy: true,
    why: "Kubernetes' own client: kubeconfig, service accounts, exec plugins; optional, loaded at first use.",
  },
  "@azure/keyvault-certificates": {
    owners: ["src/deployers/azure"],
    lazy: true,
    why: "Azure's own client for Key Vault certificates; optional, loaded at first use.",
  },
  "@azure/identity": {
    owners: ["src/deployers/azure", "src/solvers/dns", "src/horizon"],
    lazy: true,
    why: "Azure's credential chain, which its clients need; optional, loaded at first use.",
  },
  "@google-cloud/certificate-manager": {
    owners: ["src/deployers/google"],
    lazy: true,
    why: "Google's own client for Certificate Manager; optional, loaded at first use.",
  },
  "@google-cloud/secret-manager": {
    owners: ["src/deployers/google"],
    lazy: true,
    why: "Google's own client for Secret Manager; optional, loaded at first use.",
  },
  "@aws-sdk/client-route-53": {
    owners: ["src/solvers/dns"],
    lazy: true,
    why: "AWS's own client for Route 53: signing, throttling and INSYNC as AWS defines them; optional, loaded at first use.",
  },
  "@google-cloud/dns": {
    owners: ["src/solvers/dns"],
    lazy: true,
    why: "Google's own client for Cloud DNS; optional, loaded at first use.",
  },
  "@azure/arm-dns": {
    owners: ["src/solvers/dns"],
    lazy: true,
    why: "Azure's own client for DNS zones; optional, loaded at first use.",
  },
  "dns-packet": {
    owners: ["src/solvers/dns"],
    why: "DNS messages as bytes: queries to authoritative servers, TSIG updates, our own name server.",
  },
  ssh2: {
    owners: ["src/deployers/ssh"],
    lazy: true,
    why: "SSH and SFTP without a shell in between; optional, loaded at first use.",
  },
  zod: {
    owners: [
      "src/config",
      "src/solvers",
      "src/deployers",
      "src/notify",
      "src/queue",
      "src/acme",
      "src/store",
      "src/web",
      "src/horizon",
      "src/cli/desk",
      "src/discovery",
    ],
    typesOnly: ["src/domain"],
    why: "Everything from outside is parsed into a type before it is used; also makes the JSON Schema.",
  },
  hono: {
    owners: ["src/web"],
    why: "Routes, middleware and escaping templates of the web role, for pages and API alike.",
  },
  "@hono/node-server": { owners: ["src/web"], why: "Connects hono with Node's HTTP and TLS servers." },
  "prom-client": {
    owners: ["src/web/metrics"],
    why: "The usual metrics of a Node process: memory, event loop, garbage collection.",
  },
  "htmx.org": { owners: ["src/web/assets"], why: "Makes the pages live; served to browsers as it is, never run here." },
  "p-limit": {
    owners: ["src/renewal"],
    why: "So many at once and no more, where one slow piece of work must not hold up the others.",
  },
  nodemailer: { owners: ["src/notify"], why: "SMTP with STARTTLS, authentication and MIME; loaded when mail is sent." },
  commander: { owners: ["src/cli"], why: "Command line parsing and help." },
  tldts: { owners: ["src/config"], why: "The public suffix list: CAs count certificates per registered domain." },
  croner: {
    owners: ["src/renewal/rules/maintenance.ts", "src/config/schema/maintenance.ts"],
    why: "Cron expressions in a time zone with daylight saving: checked by config, evaluated by the planner.",
  },
  yaml: {
    owners: ["src/config"],
    why: "YAML with the position of every value, so that a mistake is shown with line and column.",
  },
  "js-yaml": {
    owners: ["src/config/read"],
    why: "Files of a large fleet, five times as fast as with positions, which only mistakes need.",
  },
  pino: { owners: ["src/log.ts"], why: "JSON logs with redaction." },
  "pino-pretty": { owners: ["src/log.ts"], why: "The same logs for a person at a terminal." },
};

/** Settings come in through the first; the others only hand PATH, HOME, LANG and TZ on to the commands it starts. */
export const ENVIRONMENT_READERS: ReadonlySet<string> = new Set([
  "src/config/read/environment.ts",
  "src/deployers/local/command.ts",
  "src/process/program.ts",
]);

/** Names that become drawers: things nobody can find because anything fits. */
export const DRAWERS: ReadonlySet<string> = new Set([
  "util",
  "utils",
  "helper",
  "helpers",
  "common",
  "lib",
  "manager",
  "managers",
  "shared",
  "misc",
  "types",
]);

/** A file that makes a reader scroll is split by idea; tables of cases in tests may be longer. */
export const LINES_MAX = { product: 300, tests: 400 } as const;

const names = (list: readonly string[] | undefined, note: string): string[] =>
  (list ?? []).map((name) => `${name}${note}`);

/** The table as docs/architecture.md prints it. */
export function importTable(): string {
  const rows = Object.entries(FOLDERS).map(([folder, rule]) => {
    const all = folder === "compose" ? ["everything but entry points"] : names(rule.mayImport, "");
    const cell = [...all, ...names(rule.registryOnly, " (registry)"), ...names(rule.typesOnly, " (types)")].join(", ");
    return `| ${folder} | ${cell === "" ? "nothing" : cell} |`;
  });
  return ["| folder | may import |", "|---|---|", ...rows].join("\n");
}

/** The dependencies as docs/architecture.md prints them. */
export function packageTable(): string {
  const rows = Object.entries(PACKAGES).map(([name, rule]) => {
    const owners = [...names(rule.owners, ""), ...names(rule.typesOnly, " (types)")].join(", ");
    return `| ${name} | ${owners} | ${rule.why} |`;
  });
  return ["| package | imported only in | why |", "|---|---|---|", ...rows].join("\n");
}
