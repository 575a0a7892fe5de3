import { z } from "zod";
import { KEY_TYPES } from "../../domain/certificate.ts";
import { EVENT_TYPES } from "../../domain/event.ts";
import { REASONS, RENEWAL_STATES, TRIGGERS } from "../../domain/renewal.ts";
import { CRITICALITIES } from "../../domain/responsibility.ts";
import { STATES } from "../../reports/certificates.ts";
import { DEPLOYMENT_STATES } from "../../reports/lists/deploymentList.ts";
import { ENDPOINT_STATES } from "../../reports/lists/endpointList.ts";
import { WAITING_ON } from "../../reports/lists/waitingOn.ts";

/** What the API answers with. Keys of certificates are in none of it. */
const instant = z.iso.datetime({ precision: 3 });
const nullable = <T extends z.ZodType>(schema: T, about: string) => schema.nullable().describe(about);
const waits = Object.keys(WAITING_ON);

const responsibility = z
  .object({
    owner: z.string().nullable(),
    team: z.string().nullable(),
    labels: z.record(z.string(), z.string()),
    criticality: z.enum(CRITICALITIES),
    runbook: z.string().nullable(),
  })
  .describe("Who answers for it, as the configuration says.");

export const certificateItem = z
  .object({
    certificate: z.string(),
    names: z.array(z.string()),
    state: z.enum(STATES).describe("`provedLive` only by handshakes."),
    problem: nullable(z.string(), "What is wrong; null: nothing."),
    needsPerson: z.boolean(),
    acknowledged: z.boolean(),
    cause: nullable(z.string(), "Problems with one origin have one cause."),
    paused: nullable(
      z.object({ since: instant, until: instant.nullable(), reason: z.string().nullable() }),
      "By a person, or by renewd after workers kept dying; null: it is not.",
    ),
    issuer: z.string(),
    keyType: z.string(),
    targets: z.array(z.string()),
    generations: z
      .object({ issued: z.int(), deployed: z.int().nullable(), observed: z.int().nullable() })
      .describe("The lowest of its targets and endpoints; null: there are none."),
    notBefore: nullable(instant, "Of the latest version."),
    notAfter: nullable(instant, "Of the latest version."),
    expiresAt: nullable(instant, "When the first of what clients get expires."),
    windowOpensAt: nullable(instant, "When its renewal window opens."),
    nextAt: nullable(instant, "When something is done next; null: nothing by itself."),
    next: z.string(),
    waitingOn: z.enum(waits),
    provedAt: nullable(instant, "The last handshakes that proved it."),
    renewalId: nullable(z.string(), "In flight, or the last one that failed."),
    serial: z.string().nullable(),
    fingerprint: nullable(z.string(), "SHA-256 of the certificate."),
    responsibility,
    definedIn: nullable(z.string(), "The file that defines it, or `database`; null: an older renewd applied it."),
  })
  .meta({ id: "Certificate" });

export const versionItem = z
  .object({
    certificate: z.string(),
    generation: z.int(),
    issuer: z.string(),
    issuedBy: z.string(),
    serial: z.string(),
    fingerprint: z.string(),
    names: z.array(z.string()),
    keyType: z.enum(KEY_TYPES),
    notBefore: instant,
    notAfter: instant,
    issuedAt: instant,
    provedAt: nullable(instant, "When handshakes with every endpoint first proved it; null: never."),
    revokedAt: instant.nullable(),
    droppedNames: z.array(z.string()).describe("Configured names that were left out."),
    certificatePem: z.string(),
    chainPem: z.array(z.string()).describe("Intermediates, the leaf's issuer first."),
  })
  .meta({ id: "Version", description: "One issued pair, without its key." });

export const renewalItem = z
  .object({
    id: z.string(),
    certificate: z.string(),
    generation: z.int(),
    state: z.enum(RENEWAL_STATES),
    reason: z.enum(REASONS),
    detail: z.string(),
    trigger: z.enum(TRIGGERS),
    issuer: nullable(z.string(), "The fallback issuer that it orders from; null: the certificate's first."),
    serial: nullable(z.string(), "Of what it issued."),
    attempts: z.int(),
    startedAt: instant,
    finishedAt: instant.nullable(),
    nextActionAt: instant.nullable(),
    retryAt: nullable(instant, "Back-off: no attempt before."),
    errorCode: z.string().nullable(),
    errorMessage: z.string().nullable(),
  })
  .meta({ id: "Renewal" });

export const eventItem = z
  .object({
    seq: z.int(),
    at: instant,
    type: z.enum(EVENT_TYPES),
    certificate: z.string().nullable(),
    renewalId: z.string().nullable(),
    target: z.string().nullable(),
    process: z.string().describe("Host and process that wrote it."),
    what: z.string().describe("In one sentence."),
    detail: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.null(), z.array(z.string())])),
  })
  .meta({ id: "Event" });

export const deploymentItem = z
  .object({
    certificate: z.string(),
    target: z.string(),
    state: z.enum(DEPLOYMENT_STATES),
    issued: z.int(),
    deployed: z.int().describe("0: nothing."),
    deployedAt: instant.nullable(),
    behindSince: instant.nullable(),
    nextAttemptAt: instant.nullable(),
    attempts: z.int(),
    errorCode: z.string().nullable(),
    message: z.string().nullable(),
    responsibility,
  })
  .meta({ id: "Deployment", description: "One certificate at one target." });

export const targetItem = z
  .object({
    target: z.string(),
    type: z.string(),
    agent: z.boolean().describe("Only its own deployer deploys there."),
    certificates: z.int(),
    current: z.int(),
    behind: z.int(),
    failing: z.int(),
    responsibility,
  })
  .meta({ id: "Target" });

export const endpointItem = z
  .object({
    certificate: z.string(),
    endpoint: z.string(),
    host: z.string(),
    port: z.int(),
    sni: z.string(),
    starttls: z.string().nullable(),
    target: z.string().nullable(),
    state: z.enum(ENDPOINT_STATES),
    generation: z.int().describe("That it should serve."),
    checkedAt: instant.nullable(),
    nextDialAt: instant.nullable(),
    errorCode: z.string().nullable(),
    errorMessage: z.string().nullable(),
    responsibility,
  })
  .meta({ id: "Endpoint" });

export const observationItem = z
  .object({
    certificate: z.string(),
    endpoint: z.string(),
    address: z.string(),
    port: z.int(),
    sni: z.string(),
    at: instant,
    durationMs: z.number(),
    served: z
      .object({
        fingerprint: z.string(),
        serial: z.string(),
        names: z.array(z.string()),
        issuer: z.string(),
        notBefore: instant,
        notAfter: instant,
        chain: z.array(z.string()).describe("SHA-256 fingerprints after the leaf."),
      })
      .nullable()
      .describe("null: no handshake completed."),
    problem: z.object({ code: z.string(), message: z.string() }).nullable(),
  })
  .meta({ id: "Observation", description: "What the last handshake with one address saw." });

export const issuerItem = z
  .object({
    issuer: z.string(),
    directory: z.string(),
    distrusted: z.boolean(),
    certificates: z
      .int()
      .describe("Whose latest pair it issued, or that it will issue the first of: `GET /certificates?issuer=NAME`."),
    limits: z.array(
      z.object({
        kind: z.string(),
        max: z.int(),
        windowMs: z.int(),
        used: z
          .array(
            z.object({
              key: z.string().describe("Domain, name or set of names; empty: the account."),
              left: z.int(),
              fullAt: instant,
            }),
          )
          .describe("Of which something is used now; all others are full."),
      }),
    ),
  })
  .meta({ id: "Issuer", description: "A CA, and how much of its limits renewd counts as used." });

export const alertItem = z
  .object({
    subject: z.string().describe("What `acknowledge` takes."),
    about: z.enum(["certificate", "renewd"]),
    kind: z.string(),
    what: z.string(),
    needsPerson: z.boolean(),
    acknowledged: z.object({ by: z.string().nullable(), reason: z.string(), at: instant, until: instant }).nullable(),
    action: z.string(),
    expiresAt: instant.nullable(),
    certificates: z.array(z.string()),
    responsibility,
  })
  .meta({ id: "Alert", description: "Something that is wrong now." });
