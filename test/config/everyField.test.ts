// Every key of the schema is changed in a file that says all of them, as a reload would find it. A certificate that is
// live is issued again or deployed again only for the keys that say what is issued, or what a target holds.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { z } from "zod";
import { loadConfig } from "../../src/config/load.ts";
import { fileSchema } from "../../src/config/schema/file.ts";
import type { Certificate } from "../../src/domain/certificate.ts";
import { endpointKey } from "../../src/domain/endpoint.ts";
import { decide } from "../../src/renewal/rules/decide.ts";
import { createRoot } from "../support/ca/pki.ts";
import { deployment, endpointStatus, NOW, record, version } from "../support/model/facts.ts";
import { leavesOf, type Tree } from "./schemaLeaves.ts";

/** What it does to the certificate: nothing, or the reason why it is renewed. */
type Effect = "nothing" | "issuerChanged" | "identifiersChanged" | "keyChanged" | "targetChanged" | "drift";
interface Change {
  readonly path: string;
  readonly value: unknown;
  readonly effect: Effect;
}
type Written = readonly [path: string, value: unknown, effect?: Effect | undefined];

let directory: string;
let before: readonly Certificate[];
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-fields-"));
  const { certPem, keyPem } = await (await createRoot()).issue({ names: ["localhost"] });
  for (const [name, text] of [
    ...[["ca.pem", certPem] as const, ["other.pem", certPem] as const, ["key.pem", keyPem] as const],
    ...[["hook", "https://hook.example/x"] as const, ["hook2", "https://hook.example/y"] as const],
  ])
    await writeFile(join(directory, name), text, { mode: 0o600 });
  before = await load(BASE);
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const LIMIT = { max: 10, per: "1d" };
const WAVES = [{ targets: ["a"], bake: "1m", failureBudget: 0 }, { targets: ["b"] }];
const MAINTENANCE = {
  windows: [{ cron: "0 3 * * *", duration: "4h", timeZone: "Europe/Berlin" }],
  freezes: [{ from: "2026-12-20", until: "2027-01-03", reason: "holidays", timeZone: "Europe/Berlin" }],
};
const PEOPLE = {
  owner: "anna",
  team: "web",
  labels: { app: "shop" },
  criticality: "high",
  runbook: "https://x.example",
};

/** What certificates and defaults share. */
const SHARED = {
  waves: WAVES,
  mode: "renew",
  keyType: "ecdsa-p256",
  dropDeadNames: false,
  onWaveFailure: "hold",
  renewal: { atFractionLeft: 0.3, jitter: 0.1 },
  maintenance: MAINTENANCE,
  profile: "classic",
  preferredChain: "ISRG Root X1",
  reuseKey: false,
  verifyTimeout: "60s",
  ...PEOPLE,
};
const SHARED_CHANGES: readonly Written[] = [
  ["issuer", "other", "issuerChanged"],
  ["issuers", ["ca", "other"]],
  ["solver", ["http", "alpn"]],
  ["mode", "observe"],
  ["keyType", "rsa-2048", "keyChanged"],
  ["dropDeadNames", true],
  ["targets", ["b", "a"]],
  ["waves", [{ targets: ["b"] }, { targets: ["a"] }]],
  ["waves.0.bake", "2m"],
  ["waves.0.failureBudget", 1],
  ["onWaveFailure", "rollBack"],
  ["renewal.atFractionLeft", 0.4],
  ["renewal.jitter", 0.2],
  ["maintenance.windows.0.cron", "0 4 * * *"],
  ["maintenance.windows.0.duration", "5h"],
  ["maintenance.windows.0.timeZone", "UTC"],
  ["maintenance.freezes.0.from", "2026-12-21"],
  ["maintenance.freezes.0.until", "2027-01-04"],
  ["maintenance.freezes.0.reason", "audit"],
  ["maintenance.freezes.0.timeZone", "UTC"],
  ["profile", "tlsserver"],
  ["preferredChain", "ISRG Root X2"],
  ["reuseKey", true],
  ["verifyTimeout", "90s"],
  ["owner", "bob"],
  ["team", "net"],
  ["labels.app", "blog"],
  ["criticality", "low"],
  ["runbook", "https://y.example"],
];

const BASE = {
  version: 1,
  dataDir: "data",
  masterKey: { file: "master.key" },
  store: { type: "sqlite", file: "data/renewd.db" },
  redis: { url: "redis://127.0.0.1:1", prefix: "renewd" },
  http01: { host: "::", port: 80 },
  tlsAlpn01: { host: "::", port: 443 },
  dnsServer: { hosts: ["127.0.0.1"], port: 53 },
  web: { enabled: true, host: "127.0.0.1", port: 8280 },
  planner: { tick: "1m", sweep: "10s", batch: 100 },
  workers: { issue: 4, deploy: 4, verify: 4 },
  observation: { every: "5m", connections: 5 },
  verification: { connections: 40, spread: "10s", undialable: "report" },
  rehearsal: { every: "30d" },
  retention: { history: "400d", keys: "7d" },
  retry: { issueAttempts: 5, deployAttempts: 4, backoff: ["1m"] },
  log: { level: "info" },
  issuers: {
    ca: {
      directory: "https://ca.example/dir",
      contact: ["ops@example.org"],
      trust: "ca.pem",
      proxy: "http://proxy.example:3128",
      termsOfServiceAgreed: true,
      externalAccount: { keyId: "k", hmacKey: "file:key.pem" },
      limits: {
        ordersPerAccount: LIMIT,
        certificatesPerDomain: LIMIT,
        certificatesPerExactSet: LIMIT,
        failuresPerIdentifier: LIMIT,
        consecutiveFailuresPerIdentifier: LIMIT,
        renewalsExempt: false,
      },
      staging: "https://staging.example/dir",
      privateAddresses: false,
      distrusted: false,
      keyTypes: ["ecdsa-p256", "rsa-2048"],
      identifierTypes: ["dns"],
      namesMax: 100,
      requestTimeout: "30s",
      orderTimeout: "10m",
    },
    other: { directory: "https://other.example/dir", termsOfServiceAgreed: true },
  },
  solvers: { http: { type: "http-01", zones: ["example.org"] }, alpn: { type: "tls-alpn-01" } },
  targets: {
    a: { type: "files", bundle: "/srv/a/{certificate}.pem", agent: false, served: true, takes: { namesMax: 9 } },
    b: { type: "files", bundle: "/srv/b/{certificate}.pem" },
  },
  notifications: {
    ops: { type: "webhook", url: "file:hook", from: "info", about: { teams: ["web"] } },
    mail: { type: "smtp", host: "mail.example.org", sender: "a@example.org", to: ["b@example.org"] },
  },
  responsibility: [{ certificates: ["www"], names: ["*.example.org"], targets: ["a"], ...PEOPLE }],
  defaults: { issuer: "ca", solver: "http", ...SHARED },
  certificates: {
    www: {
      names: ["www.example.org", "alt.example.org"],
      issuer: "ca",
      solver: "http",
      endpoints: [{ host: "192.0.2.1", port: 443, sni: "www.example.org", target: "a", handshakeTimeout: "5s" }],
      ...SHARED,
    },
    api: { names: ["api.example.org"], endpoints: [{ host: "192.0.2.1", port: 443, sni: "api.example.org" }] },
  },
};

/** Keys of sections whose effect is only on processes, or on what people see. */
const WRITTEN: readonly Written[] = [
  ["store.file", "other.db"],
  ["redis.url", "redis://127.0.0.1:2"],
  ["redis.prefix", "other"],
  ["http01.port", 8080],
  ...["http01", "tlsAlpn01"].map((each): Written => [`${each}.host`, "127.0.0.1"]),
  ["tlsAlpn01.port", 8443],
  ["dnsServer.hosts", ["127.0.0.2"]],
  ["dnsServer.port", 5353],
  ["web.enabled", false],
  ["web.host", "127.0.0.2"],
  ["web.port", 8281],
  ["web.url", "https://renewd.example"],
  ["web.metrics", { withoutToken: true }],
  ["tracing", { url: "http://127.0.0.1:4318/v1/traces", ratio: 0.5 }],
  ["planner.tick", "2m"],
  ["planner.sweep", "20s"],
  ["planner.batch", 50],
  ...["issue", "deploy", "verify"].map((kind): Written => [`workers.${kind}`, 8]),
  ["observation.every", "10m"],
  ["observation.connections", 6],
  ["vantages", ["office"], "drift"],
  ["verification.connections", 50],
  ["verification.spread", "20s"],
  ["verification.undialable", "fail"],
  ["verification.trusted", true],
  ["verification.trust", "ca.pem"],
  ["discovery", { every: "1d" }],
  ["watch", { partner: { host: "partner.example", minLeft: "20d" } }],
  ["rehearsal.every", "60d"],
  ["retention.history", "500d"],
  ["retention.keys", "14d"],
  ["retry.issueAttempts", 6],
  ["retry.deployAttempts", 5],
  ["retry.backoff", ["2m"]],
  ["log.level", "debug"],
  ["alerts", { openAfter: "2m" }],
  ["heartbeat", { url: "file:hook" }],
  ["canary", { certificate: "www" }],
  ["report", { channel: "mail" }],
  ["certificates.www.sacrificial", true],
  ["peers", { berlin: { url: "https://berlin.example", trust: "ca.pem", token: "file:hook" } }],
  ["horizon", { signatures: true }],
  ["issuers.ca.directory", "https://production.example/dir", "issuerChanged"],
  ["issuers.ca.contact", ["other@example.org"]],
  ["issuers.ca.trust", "other.pem"],
  ["issuers.ca.proxy", "http://other.example:3128"],
  ["issuers.ca.externalAccount.keyId", "l"],
  ["issuers.ca.externalAccount.hmacKey", "file:ca.pem"],
  ...["ordersPerAccount", "certificatesPerDomain", "certificatesPerExactSet", "failuresPerIdentifier"].flatMap(
    (kind): Written[] => [
      [`issuers.ca.limits.${kind}.max`, 20],
      [`issuers.ca.limits.${kind}.per`, "2d"],
    ],
  ),
  ["issuers.ca.limits.consecutiveFailuresPerIdentifier.max", 20],
  ["issuers.ca.limits.consecutiveFailuresPerIdentifier.per", "2d"],
  ["issuers.ca.limits.renewalsExempt", true],
  ["issuers.ca.staging", "https://staging2.example/dir"],
  ["issuers.ca.privateAddresses", true],
  ["issuers.ca.keyTypes", ["ecdsa-p256", "rsa-2048", "rsa-4096"]],
  ["issuers.ca.identifierTypes", ["dns", "ip"]],
  ["issuers.ca.namesMax", 50],
  ["issuers.ca.requestTimeout", "40s"],
  ["issuers.ca.orderTimeout", "20m"],
  ["solvers.http.type", "tls-alpn-01"],
  ["solvers.http.zones", ["example.org", "example.com"]],
  ["targets.a", { type: "exec", command: ["/bin/true"], record: "/srv/{certificate}.record" }, "targetChanged"],
  ["targets.a.bundle", "/srv/a2/{certificate}.pem", "targetChanged"],
  ["targets.a.mode", "0640", "targetChanged"],
  ...["group", "owner"].map((key): Written => [`targets.a.${key}`, "root", "targetChanged"]),
  ["targets.a.agent", true],
  ["targets.a.served", false],
  ["targets.a.takes.namesMax", 8],
  ["targets.a.team", "net"],
  ["targets.a.criticality", "low"],
  ["targets.a.runbook", "https://y.example"],
  ["notifications.ops.type", "webhook"],
  ["notifications.ops.url", "file:hook2"],
  ["notifications.ops.from", "page"],
  ["notifications.ops.about.teams", ["net"]],
  ["notifications.ops.about.owners", ["anna"]],
  ["notifications.ops.about.labels", ["app=shop"]],
  ["notifications.ops.about.criticality", ["high"]],
  ["responsibility.0.certificates", ["api"]],
  ["responsibility.0.names", ["api.*"]],
  ["responsibility.0.targets", ["b"]],
  ["responsibility.0.owner", "bob"],
  ["responsibility.0.team", "net"],
  ["responsibility.0.labels.app", "blog"],
  ["responsibility.0.criticality", "low"],
  ["responsibility.0.runbook", "https://y.example"],
  ...SHARED_CHANGES.flatMap(([path, value, effect]): Written[] => [
    [`certificates.www.${path}`, value, effect],
    [`defaults.${path}`, value, effect],
  ]),
  ["certificates.www.names", ["www.example.org", "alt.example.org", "new.example.org"], "identifiersChanged"],
  ["certificates.www.endpoints.0.host", "192.0.2.2", "drift"],
  ["certificates.www.endpoints.0.port", 8443, "drift"],
  ["certificates.www.endpoints.0.sni", "alt.example.org", "drift"],
  ["certificates.www.endpoints.0.target", "b"],
  ["certificates.www.endpoints.0.starttls", "smtp"],
  ["certificates.www.endpoints.0.proxyProtocol", "v2"],
  ["certificates.www.endpoints.0.alpn", ["h2"]],
  ["certificates.www.endpoints.0.handshakeTimeout", "6s"],
];

const CHANGES = WRITTEN.map(([path, value, effect = "nothing"]): Change => ({ path, value, effect }));

/** Keys that cannot be changed alone, or that another test changes. */
const ELSEWHERE: readonly RegExp[] = [
  // The format's own number, and what must be true.
  /^version$|termsOfServiceAgreed$|mustStaple$/,
  // Where database, key and Redis are: see redis.test.ts, storeCommands.full.test.ts.
  /^redis\.|^store\.|^dataDir$|^masterKey\./,
  /^web\.(?:tls|insecure|metrics|httpreq)|^tracing\./,
  // Distrust is asked for to have its certificates replaced: see distrust tests of replacement and plan.
  /\.(?:distrusted|quarantined)$/,
  // They name what `vantages` lists: see vantages.test.ts.
  /^vantage$|endpoints\.#\.vantages$/,
  // It takes a certificate of its own: see exercise.test.ts.
  /^exercise\./,
  // Files of the user's own making: see ownCsr.test.ts, include.test.ts.
  /\.csr\.|^include$/,
];

/** What decides which certificate is issued: a change ends a renewal that has yet to issue. */
const ISSUED = /\.(?:names|issuers?|keyType|dropDeadNames|profile|preferredChain|reuseKey|directory)$/;
/** Only one of each may be said. */
const INSTEAD: Readonly<Record<string, string[]>> = { issuers: ["issuer"], targets: ["waves", "onWaveFailure"] };

test("every key of the schema is among those that are changed", () => {
  const changed = CHANGES.map(({ path }) => pattern(path));
  const missing = leavesOf(z.toJSONSchema(fileSchema, { io: "input", unrepresentable: "any" }) as Tree).filter(
    (path) =>
      !ELSEWHERE.some((other) => other.test(path)) &&
      !changed.some((each) => each === path || path.startsWith(`${each}.`) || each.startsWith(`${path}.`)),
  );
  expect(missing).toEqual([]);
});

test.each(CHANGES)("$path", async ({ path, value, effect }) => {
  const after = await load(changedFile(path, value));
  for (const [index, old] of before.entries()) {
    const certificate = after[index] ?? expect.unreachable("a certificate is gone");
    const isAbout = path.startsWith("certificates.")
      ? old.name === "www"
      : !path.startsWith("defaults.") || old.name === "api";
    const expected = isAbout ? effect : "nothing";
    expect(planned(old, certificate), old.name).toBe(expected);
    if (!ISSUED.test(path)) expect(certificate.issueDigest, "what is issued").toBe(old.issueDigest);
    for (const target of old.targets.filter((each) => expected !== "targetChanged" || each !== "a"))
      expect(certificate.targetDigests[target], target).toBe(old.targetDigests[target]);
  }
});

/** What the planner does with a certificate that was issued, deployed and proved as configured before. */
function planned(old: Certificate, certificate: Certificate): Effect {
  const { name, identifiers, keyType, issuer } = old;
  const leaf = { ...version().leaf, identifiers, keyType };
  const deployments = old.targets.map((target) =>
    deployment({ certificate: name, target, deployedGeneration: 1, targetDigest: old.targetDigests[target] ?? null }),
  );
  const decision = decide(
    {
      certificate,
      record: record({ name, digest: certificate.digest }),
      version: version({ certificate: name, leaf, keyType, issuer, directory: old.issuerDirectories[0] ?? null }),
      renewalInfo: null,
      active: null,
      deployments,
      endpoints: old.endpoints.map((endpoint) =>
        endpointStatus({ certificate: name, endpoint: endpointKey(endpoint) }),
      ),
      replacement: null,
      budget: { ca: { issuer, directory: "", limits: {}, renewalsExempt: false }, buckets: new Map() },
    },
    NOW,
  );
  // What a maintenance window only puts off is an effect as well.
  const reason = decision.due || decision.blockedBy !== null ? decision.reason : null;
  return (reason ?? "nothing") as Effect;
}

async function load(file: object): Promise<readonly Certificate[]> {
  const path = join(directory, "renewd.yaml");
  await writeFile(path, JSON.stringify(file));
  const result = await loadConfig(path);
  if (!result.ok) throw new Error(result.problems.map(({ message }) => message).join("\n"));
  return result.config.certificates;
}

function changedFile(path: string, value: unknown): object {
  const file: Tree = structuredClone(BASE);
  const keys = path.split(".");
  const last = keys.pop() ?? "";
  let at = file;
  for (const key of keys) {
    at[key] ??= {};
    at = at[key] as Tree;
  }
  at[last] = value;
  for (const other of INSTEAD[last] ?? []) delete at[other];
  return file;
}

const RECORDS: readonly string[] = ["issuers", "solvers", "targets", "notifications", "certificates", "labels"];

/** As `leavesOf` writes paths: `*` for a name, `#` for a place in a list. */
function pattern(path: string): string {
  const keys = path.split(".");
  return keys
    .map((key, index) => (RECORDS.includes(keys[index - 1] ?? "") && index < 9 && isNameAt(keys, index) ? "*" : key))
    .map((key) => (/^\d+$/.test(key) ? "#" : key))
    .join(".");
}

/** Sections are named at the top; `targets` within a wave and `certificates` within a rule are lists. */
function isNameAt(keys: readonly string[], index: number): boolean {
  return index === 1 || keys[index - 1] === "labels";
}
