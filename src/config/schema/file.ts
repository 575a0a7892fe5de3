import { isIP } from "node:net";
import { z } from "zod";
import { KEY_TYPES } from "../../domain/certificate.ts";
import { UNDIALABLE_POLICIES } from "../../domain/endpoint.ts";
import { SEVERITIES } from "../../domain/notification.ts";
import { alertsSchema, canarySchema, heartbeatSchema } from "./alerts.ts";
import { certificateSchema, defaultsSchema } from "./certificate.ts";
import { discoverySchema } from "./discovery.ts";
import { duration } from "./duration.ts";
import { checkDnsName } from "./identifiers.ts";
import { issuerSchema } from "./issuer.ts";
import { redisSchema } from "./redis.ts";
import { concernSchema, responsibilitySchema, targetResponsibilityKeys } from "./responsibility.ts";
import { retentionSchema } from "./retention.ts";
import { secretReference } from "./secretReference.ts";
import { tracingSchema } from "./tracing.ts";
import { webSchema } from "./web.ts";

/** Name of an issuer, solver, target or certificate: it ends up in paths, URLs and queue payloads. */
export const NAME = /^[a-z0-9][a-z0-9._-]{0,63}$/;
export const NAME_ADVICE =
  "is not a valid name: use 1 to 64 of a-z, 0-9, dot, underscore and hyphen, beginning with a letter or digit";
const name = z.string().regex(NAME, NAME_ADVICE);

const path = z.string().min(1, "must name a file");
const port = z.int().min(1).max(65_535);
const concurrency = z.int().min(1).max(256);

/** Its other keys are the plugin's options, checked by the plugin itself. */
export const pluginSchema = z.looseObject({ type: z.string().describe("Kind, from the list of installed ones.") });

/** A solver answers for every name that its kind can validate, unless it says otherwise. */
export const solverSchema = pluginSchema.extend({
  zones: z
    .array(
      z.string().transform((text, context) => {
        const checked = checkDnsName(text);
        if ("value" in checked) return checked.value;
        context.addIssue({ code: "custom", message: checked.problem });
        return z.NEVER;
      }),
    )
    .min(1)
    .max(1_000)
    .optional()
    .describe("Answer only for names in these domains: `example.org` covers www.example.org. Default: all."),
});

/** A target is deployed to by any deployer worker, unless it says otherwise. */
export const targetSchema = pluginSchema.extend({
  agent: z
    .boolean()
    .default(false)
    .describe("Deploy only by `renewd worker deployer --targets NAME`, started on the machine that owns it."),
  served: z
    .boolean()
    .optional()
    .describe(
      "False: no client meets the pair at this target, so certificates that go only to such targets need no " +
        "`endpoints`. Default: true, but false for secret stores.",
    ),
  takes: z
    .strictObject({
      keyTypes: z.array(z.enum(KEY_TYPES)).min(1).optional().describe("Only certificates with a key of these types."),
      namesMax: z.int().min(1).optional().describe("Only certificates with at most this many names."),
      profiles: z
        .array(z.string().min(1).max(64))
        .min(1)
        .optional()
        .describe("Only certificates that ask for one of these profiles of a CA, or for none."),
    })
    .default({})
    .describe(
      "What you know it to be limited in, such as clients behind it that know no ECDSA: `renewd plan` says what " +
        "does not fit before anything is issued.",
    ),
  ...targetResponsibilityKeys,
});

/** A channel is notified from a severity on. */
export const channelSchema = pluginSchema.extend({
  from: z
    .enum(SEVERITIES)
    .default("warning")
    .describe("Notify of what is at least this severe: `info`, `warning`, or `page` when a person is needed now."),
  about: concernSchema.optional(),
});

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
  batch: z.int().min(1).max(10_000).default(200).describe("Certificates handled per tick at most."),
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
});

const verification = z.strictObject({
  connections: z
    .int()
    .min(1)
    .max(1_000)
    .default(40)
    .describe(
      "Fresh connections in a row to each address that must get the new certificate before it is proved live. With 40, " +
        "an address that serves the old pair on 1 of 8 connections, at random, is found in 99 of 100 cases.",
    ),
  spread: duration({ min: "1ms", max: "10m" })
    .prefault("10s")
    .describe(
      "Time over which they are spread. Old workers of a reloading server must have ended by then. A server or balancer " +
        "that serves the old pair for a part of the time, such as one second in eight, is found as surely if it comes " +
        "round within this time.",
    ),
  undialable: z
    .enum(UNDIALABLE_POLICIES)
    .default("report")
    .describe(
      "What an address means that cannot be dialled from here, such as an IPv6 address without IPv6. `report`: it is " +
        "shown, and the other addresses prove the endpoint. `fail`: the endpoint is not proved.",
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
  verification: verification.prefault({}).describe("How much it takes to prove that an endpoint is live."),
  rehearsal: rehearsal
    .prefault({})
    .describe(
      "Rehearsing renewals, so that a rotated DNS token or a lost permission is found weeks before it matters.",
    ),
  discovery: discoverySchema
    .prefault({})
    .describe("Where `renewd discover` looks for certificates, whoever renews them: see docs/inventory.md."),
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
  defaults: defaultsSchema.prefault({}).describe("What certificates use when they do not say."),
  certificates: z.record(name, certificateSchema).default({}).describe("Certificates that should exist, by name."),
});
