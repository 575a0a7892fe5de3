import { isIP } from "node:net";
import { z } from "zod";
import { alertsSchema, canarySchema, exerciseSchema, heartbeatSchema } from "./alerts.ts";
import { certificateSchema, defaultsSchema } from "./certificate.ts";
import { discoverySchema } from "./discovery.ts";
import { duration } from "./duration.ts";
import { horizonSchema } from "./horizon.ts";
import { issuerSchema } from "./issuer.ts";
import { channelSchema, name, pluginSchema, solverSchema } from "./named.ts";
import { peerSchema } from "./peers.ts";
import { redisSchema } from "./redis.ts";
import { reportSchema } from "./report.ts";
import { responsibilitySchema } from "./responsibility.ts";
import { retentionSchema } from "./retention.ts";
import { secretReference } from "./secretReference.ts";
import { tracingSchema } from "./tracing.ts";
import { vantagesSchema } from "./vantages.ts";
import { verificationSchema } from "./verification.ts";
import { watchSchema } from "./watch.ts";
import { webSchema } from "./web.ts";

const path = z.string().min(1, "must name a file");
const port = z.int().min(1).max(65_535);
const concurrency = z.int().min(1).max(256);

const masterKey = z
  .union([
    secretReference,
    z.strictObject({ file: path.describe("File with the key, mode 0600; created on the first run.") }),
  ])
  .describe(
    "Seals private keys in the database: `{file: …}` or a reference `env:NAME`. Default: `master.key` in " +
      "`dataDir`. Keep a copy elsewhere.",
  );

const store = z
  .discriminatedUnion("type", [
    z.strictObject({
      type: z.literal("sqlite"),
      file: path.optional().describe("Database file. Default: `renewd.db` in `dataDir`."),
    }),
    z.strictObject({
      type: z.literal("postgresql"),
      url: secretReference.describe("Reference to the connection URL: `env:DATABASE_URL` or `file:/path`."),
    }),
  ])
  .prefault({ type: "sqlite" })
  .describe("Where certificates, sealed keys and the history are kept: `sqlite` (one machine) or `postgresql`.");

const http01 = z.strictObject({
  host: z
    .string()
    .min(1)
    .default("::")
    .describe("Address to listen on. `::` is every address, IPv6 and IPv4; a CA prefers IPv6 where a name has both."),
  port: port.default(80).describe("Port to listen on; the CA always dials port 80 (RFC 8555 §8.3)."),
});

const tlsAlpn01 = z.strictObject({
  host: z.string().min(1).default("::").describe("Address to listen on. `::` is every address, IPv6 and IPv4."),
  port: port.default(443).describe("Port to listen on; the CA always dials port 443 (RFC 8737 §3)."),
});

const dnsServer = z.strictObject({
  hosts: z
    .array(z.string().refine((text) => isIP(text) !== 0, "must be an IP address"))
    .min(1)
    .max(20)
    .default(["0.0.0.0"])
    .describe("Addresses to listen on, over UDP and TCP."),
  port: port.default(53).describe("Port to listen on; resolvers always dial port 53."),
});

const planner = z.strictObject({
  tick: duration({ min: "1s", max: "1h" }).prefault("60s").describe("How often due certificates are looked for."),
  sweep: duration({ min: "500ms", max: "10m" })
    .prefault("5s")
    .describe("How often outstanding work without a live job is enqueued again."),
  batch: z
    .int()
    .min(1)
    .max(10_000)
    .default(200)
    .describe("Certificates handled per tick at most; CAs are asked for the renewal windows of five times as many."),
});

const workers = z.strictObject({
  issue: concurrency.default(4).describe("Orders in flight per ACME worker process."),
  deploy: concurrency.default(8).describe("Deployments in flight per deployer process."),
  verify: concurrency.default(16).describe("Endpoints verified at once per verifier process."),
});

const observation = z.strictObject({
  every: duration({ min: "1s", max: "1d" })
    .prefault("10m")
    .describe(
      "How often the endpoints of each certificate that is not being renewed are dialled. What no longer serves " +
        "it is deployed again.",
    ),
  connections: z
    .int()
    .min(1)
    .max(100)
    .default(10)
    .describe(
      "Connections of each such look to every address. Of ten members behind an address, ten connections meet " +
        "the one that serves something else in 65 of 100 looks. Where much is due at once there are fewer.",
    ),
});

const rehearsal = z.strictObject({
  every: duration({ min: "1h", max: "365d" })
    .optional()
    .describe(
      "How often each certificate's renewal is rehearsed by itself, as `renewd rehearse` does: an order at its " +
        "issuer's `staging` directory, and each target's preflight. Default: never.",
    ),
});

const retry = z.strictObject({
  issueAttempts: z.int().min(1).max(100).default(5).describe("Attempts to issue before a renewal fails."),
  deployAttempts: z.int().min(1).max(100).default(4).describe("Attempts per target before a renewal fails."),
  backoff: z
    .array(duration({ min: "100ms", max: "30d" }))
    .min(1)
    .max(20)
    .prefault(["1m", "10m", "100m", "1d"])
    .describe("Delay before attempt 2, 3, …; the last one repeats."),
});

const log = z.strictObject({
  level: z.enum(["debug", "info", "warn", "error"]).default("info").describe("Least important level that is written."),
});

/**
 * renewd.yaml as written. Each section is checked by itself, so that one mistake hides no other: see check/sections.ts.
 */
export const fileSchema = z.strictObject({
  version: z
    .literal(1, {
      error: (issue) => (issue.input === undefined ? undefined : "must be 1, the only version of this file format"),
    })
    .describe("Version of this file format."),
  include: z
    .array(z.string().min(1, "must name a file"))
    .max(100)
    .default([])
    .describe(
      "Files with more `certificates`, such as `[certs.d/*.yaml]`; relative paths start at this file. Each holds " +
        "`certificates` and nothing else. `renewd certificates import` puts such files into the database instead.",
    ),
  dataDir: path
    .default("./data")
    .describe("Directory for database, master key and private Redis; relative paths start at this file."),
  masterKey: masterKey.optional(),
  store,
  redis: redisSchema.optional(),
  http01: http01.prefault({}).describe("renewd's own responder for http-01 challenges."),
  tlsAlpn01: tlsAlpn01
    .prefault({})
    .describe(
      "renewd's own responder for tls-alpn-01 challenges; it listens only when a solver of that type is configured.",
    ),
  dnsServer: dnsServer
    .prefault({})
    .describe("renewd's own name server; it listens only when a solver of type `dns-server` is configured."),
  web: webSchema.prefault({}).describe("renewd's pages, HTTP API and metrics."),
  tracing: tracingSchema
    .optional()
    .describe("OpenTelemetry traces of jobs, from queue to queue. Default: off, and nothing of it is loaded."),
  planner: planner.prefault({}).describe("How often renewd looks for work."),
  workers: workers.prefault({}).describe("Concurrency of each worker process."),
  observation: observation.prefault({}).describe("Looking at endpoints between renewals."),
  verification: verificationSchema.prefault({}).describe("How much it takes to prove that an endpoint is live."),
  vantages: vantagesSchema
    .default([])
    .describe(
      "Networks that every endpoint is dialled from, such as `[office, internet]`: it is proved when verifiers " +
        "in all of them have seen the new certificate there. Each needs a verifier that says so: `--vantage office`. " +
        "Default: none, and any verifier dials every endpoint.",
    ),
  vantage: name
    .optional()
    .describe(
      "The one of `vantages` that a verifier with this very file dials from. RENEWD_VANTAGE and `--vantage` say " +
        "it for one process.",
    ),
  watch: z
    .record(name, watchSchema)
    .default({})
    .describe(
      "Endpoints whose certificates somebody else renews, by name: looked at, judged, and alerted about before " +
        "they end.",
    ),
  rehearsal: rehearsal
    .prefault({})
    .describe(
      "Rehearsing renewals, so that a rotated DNS token or a lost permission is found weeks before it matters.",
    ),
  discovery: discoverySchema
    .prefault({})
    .describe("Where `renewd discover` looks for certificates, no matter who renews them: see docs/inventory.md."),
  retention: retentionSchema.prefault({}).describe("How long what nothing needs any more is kept."),
  retry: retry.prefault({}).describe("How failed steps are tried again."),
  log: log.prefault({}).describe("Logging to standard error."),
  issuers: z.record(name, issuerSchema).default({}).describe("ACME CAs by name."),
  solvers: z
    .record(name, solverSchema)
    .default({})
    .describe("Ways to answer challenges, by name. Besides the options of its kind each takes `zones`."),
  targets: z
    .record(name, pluginSchema)
    .default({})
    .describe(
      "Places that get certificates, by name. Besides the options of its kind each takes `agent: true`: then only " +
        "`renewd worker deployer --targets NAME` deploys to it, on the machine that owns it and with credentials " +
        "for it alone; and `takes: { keyTypes, namesMax, profiles }`, what you know it to be limited in, so that " +
        "`renewd plan` says what does not fit before anything is issued. Each takes `owner`, `team`, `labels`, " +
        "`criticality` and `runbook` as certificates do.",
    ),
  notifications: z
    .record(name, channelSchema)
    .default({})
    .describe(
      "Channels that notify people, by name. Besides the options of its kind each takes `from`: `info`, `warning` " +
        "(default) or `page`, the lowest severity it is notified of.",
    ),
  responsibility: responsibilitySchema,
  alerts: alertsSchema
    .prefault({})
    .describe("Failures grouped by cause: when people are notified, who is next, and what waits for the morning."),
  heartbeat: heartbeatSchema
    .optional()
    .describe(
      "A URL that is asked after each sweep of the planner that was completed: its silence is somebody else's alarm.",
    ),
  canary: canarySchema
    .optional()
    .describe("A certificate that is renewed again and again, to prove that renewing works."),
  exercise: exerciseSchema
    .optional()
    .describe("A certificate that is really broken again and again, to see how soon a person acknowledges the alert."),
  peers: z
    .record(name, peerSchema)
    .default({})
    .describe("Other renewds, by name, that this one watches: it calls people when one is away or does not work."),
  report: reportSchema
    .optional()
    .describe("The weekly report as mail: what was issued, proved and failed, and what ends next. Default: none."),
  horizon: horizonSchema,
  defaults: defaultsSchema.prefault({}).describe("What certificates use when they do not say."),
  certificates: z.record(name, certificateSchema).default({}).describe("Certificates that should exist, by name."),
});
