import type { Certificate } from "../../../src/domain/certificate.ts";
import { endpointKey, type Observation } from "../../../src/domain/endpoint.ts";
import type { Reason, Renewal } from "../../../src/domain/renewal.ts";
import { ROLES } from "../../../src/domain/role.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { Store } from "../../../src/domain/store.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../../src/domain/time.ts";
import type { Version } from "../../../src/domain/version.ts";
import { heartbeat, renewal, version } from "../model/facts.ts";

/** What an estate of some age looks like: most are well, and there is one of every kind of trouble. */
const KINDS = [
  "healthy",
  "limited",
  "targetDown",
  "paused",
  "inFlight",
  "held",
  "expired",
  "oldProof",
  "notServed",
  "new",
  "retrying",
] as const;
export type SeedKind = (typeof KINDS)[number];

export interface SeedOptions {
  /** ms since epoch. */
  readonly now: number;
  /** Of the certificate at this place in the list; default: trouble first, then all healthy. */
  readonly kindOf?: (index: number) => SeedKind;
  /** Renewals that ended well before, for each. */
  readonly past?: number;
  /** Foreign text in every place that can hold some. */
  readonly text?: string;
  /** A real chain, leaf first, for pages that read it. */
  readonly chain?: readonly string[];
}

const TROUBLE: readonly SeedKind[] = [
  ...(["limited", "limited", "limited", "targetDown", "targetDown", "paused", "inFlight", "held"] as const),
  ...(["expired", "oldProof", "notServed", "new", "retrying"] as const),
];

/** Fills a store as renewd would have; one transaction, so that ten thousand take seconds. */
export async function seedFleet(
  store: Store,
  certificates: readonly Certificate[],
  {
    now,
    kindOf = (index) => TROUBLE[index] ?? "healthy",
    past = 2,
    text = "connection refused",
    chain = [],
  }: SeedOptions,
): Promise<void> {
  await store.certificates.sync(certificates, now - 200 * DAY_MS);
  await store.transaction(async (tx) => {
    for (const [index, certificate] of certificates.entries())
      await seedOne(tx, certificate, { kind: kindOf(index), index, now, past, text, chain });
  });
  await beatAll(store, now);
}

/** Every role reports that it runs; after a minute without it none does. */
export async function beatAll(store: Store, now: number): Promise<void> {
  await store.health.beat(
    ROLES.map((role) =>
      heartbeat({ role, beatAt: now, startedAt: now - 3 * DAY_MS, usefulAt: now - 9_000, version: "0.1.0" }),
    ),
  );
}

interface Seed {
  readonly kind: SeedKind;
  readonly index: number;
  readonly now: number;
  readonly past: number;
  readonly text: string;
  readonly chain: readonly string[];
}

async function seedOne(tx: Store, certificate: Certificate, seed: Seed): Promise<void> {
  const { kind, index, now, past, text } = seed;
  const { name } = certificate;
  const quiet = { nextCheckAt: now + DAY_MS, nextObservationAt: now + 5 * MINUTE_MS };
  if (kind === "new") return tx.certificates.update(name, quiet);
  const generation = past + 1;
  // Spread over the weeks, so that a calendar has something to show.
  const age = kind === "healthy" || kind === "oldProof" ? (index * 7 * HOUR_MS) % (55 * DAY_MS) : 61 * DAY_MS;
  const issuedAt = kind === "expired" ? now - 92 * DAY_MS : now - age - HOUR_MS;
  for (let each = 1; each <= generation; each++) {
    const at = issuedAt - (generation - each) * 60 * DAY_MS;
    await tx.versions.insert(versionAt(certificate, each, at, seed), new Secret("planted"));
    await succeeded(tx, certificate, each, at, index);
  }
  await deployed(tx, certificate, generation, { now, kind, text });
  for (const endpoint of certificate.endpoints) {
    const proved = kind !== "notServed" && kind !== "held";
    const at = kind === "oldProof" ? now - 3 * HOUR_MS : now - (index % 9) * MINUTE_MS;
    const status = { certificate: name, endpoint: endpointKey(endpoint), generation, proved, roundEndedAt: at };
    const problem = proved ? null : { code: "verify.stale", message: `serves another certificate: ${text}` };
    const error = { errorCode: problem?.code ?? null, errorMessage: problem?.message ?? null };
    await tx.observations.record({ ...status, ...error }, [
      observation(certificate, serialOf(index, proved ? generation : generation - 1), at, problem),
    ]);
  }
  await tx.certificates.update(name, { ...quiet, ...recordOf(kind, now, text) });
  await trouble(tx, certificate, generation, seed);
}

function serialOf(index: number, generation: number): string {
  return (0x3a00_0000 + index * 100 + generation).toString(16).toUpperCase().padStart(10, "0");
}

function versionAt(certificate: Certificate, generation: number, at: number, { index, chain }: Seed): Version {
  const serial = serialOf(index, generation);
  const { name, identifiers, keyType, issuer } = certificate;
  const leaf = {
    ...version().leaf,
    ...{
      serial,
      identifiers,
      notBefore: at,
      notAfter: at + 90 * DAY_MS,
      keyType,
      issuerName: "CN=R11, O=Let's Encrypt, C=US",
    },
    fingerprint: serial.toLowerCase().repeat(7).slice(0, 64).padEnd(64, "0"),
  };
  return version({
    certificate: name,
    generation,
    issuer,
    leaf,
    leafPem: chain[0] ?? "",
    chainPem: chain.slice(1),
    createdAt: at,
    verifiedAt: at + MINUTE_MS,
    keyType,
  });
}

function observation(
  { endpoints: [endpoint] }: Certificate,
  serial: string,
  at: number,
  problem: Observation["problem"],
): Observation {
  const served = {
    fingerprint: "ab".repeat(32),
    serial,
    subjectAltNames: [],
    issuer: "R11",
    notBefore: at - 30 * DAY_MS,
    notAfter: at + 60 * DAY_MS,
    chain: [],
  };
  return {
    address: endpoint?.host ?? "192.0.2.1",
    port: endpoint?.port ?? 443,
    sni: endpoint?.sni ?? "",
    at,
    durationMs: 12,
    served,
    problem,
  };
}

async function deployed(
  tx: Store,
  certificate: Certificate,
  generation: number,
  { now, kind, text }: Pick<Seed, "now" | "kind" | "text">,
) {
  const { name, targets } = certificate;
  await tx.deployments.want(name, targets, generation);
  for (const [index, target] of targets.entries()) {
    const isDown = kind === "targetDown" && index === targets.length - 1;
    await tx.deployments.update(name, target, 0, {
      ...(isDown
        ? {
            deployedGeneration: generation - 1,
            attempts: 4,
            exhausted: true,
            errorCode: "deploy.unreachable",
            errorMessage: `connect ECONNREFUSED: ${text}`,
          }
        : { deployedGeneration: generation, deployedAt: now - 2 * DAY_MS }),
    });
  }
}

function recordOf(kind: SeedKind, now: number, text: string) {
  if (kind === "limited")
    return {
      failures: 2,
      nextAttemptAt: now + 3 * HOUR_MS,
      lastErrorCode: "acme.rateLimited",
      lastErrorMessage: `too many certificates already issued: ${text}`,
    };
  if (kind === "paused")
    return {
      pausedAt: now - DAY_MS,
      pausedReason: `moving to the new load balancer: ${text}`,
      pausedUntil: now + 2 * DAY_MS,
    };
  if (kind === "expired")
    return {
      failures: 4,
      nextAttemptAt: now + 20 * MINUTE_MS,
      lastErrorCode: "acme.caa",
      lastErrorMessage: `CAA record forbids issuance: ${text}`,
    };
  return kind === "inFlight" || kind === "held" || kind === "retrying" ? { nextCheckAt: null } : {};
}

let number = 0;

function idOf(): string {
  number += 1;
  return `${number.toString(16).padStart(8, "0")}-0000-4000-8000-000000000000`;
}

async function succeeded(
  tx: Store,
  { name, issuer, targets, endpoints }: Certificate,
  generation: number,
  at: number,
  index: number,
) {
  const reason: Reason = generation === 1 ? "missing" : index % 5 === 0 ? "renewalInfo" : "renewalWindow";
  const ended = { state: "succeeded", nextActionAt: null, finishedAt: at + 95_000 } as const;
  const detail = reason === "missing" ? "no certificate yet" : "a third of its lifetime is left";
  const made = renewal({
    id: idOf(),
    certificate: name,
    generation,
    reason,
    reasonDetail: detail,
    createdAt: at,
    ...ended,
  });
  await tx.renewals.insert(made);
  await eventsOf(tx, made, [
    [0, "renewal.planned", { trigger: "planner", reason, detail }],
    [2_000, "issue.started", { issuer, attempt: 1 }],
    [14_000, "version.issued", { serial: serialOf(index, generation), issuedBy: "R11", notAfter: at + 90 * DAY_MS }],
    ...targets.flatMap((target, place) => [
      [15_000 + place * 4_000, "deploy.started", { attempt: 1 }, target] as const,
      [22_000 + place * 4_000, "deploy.succeeded", { durationMs: 3_400 }, target] as const,
    ]),
    ...endpoints.flatMap((endpoint) => [
      [32_000, "verify.started", { endpoints: [endpointKey(endpoint)] }] as const,
      [
        36_000,
        "verify.addressServed",
        { endpoint: endpointKey(endpoint), address: endpoint.host, serial: serialOf(index, generation), problem: null },
      ] as const,
      [90_000, "verify.converged", { endpoint: endpointKey(endpoint), addresses: 1, connections: 40 }] as const,
    ]),
    [95_000, "renewal.succeeded", { generation, durationMs: 95_000 }],
  ]);
}

type Planted = readonly [
  number,
  Parameters<Store["events"]["append"]>[0]["type"],
  Parameters<Store["events"]["append"]>[0]["detail"],
  string?,
];

async function eventsOf(tx: Store, { id, certificate, createdAt }: Renewal, events: readonly Planted[]): Promise<void> {
  for (const [after, type, detail, target] of events)
    await tx.events.append({ at: createdAt + after, type, certificate, renewalId: id, target: target ?? null, detail });
}

async function trouble(
  tx: Store,
  { name, issuer, targets }: Certificate,
  generation: number,
  { kind, now, text }: Seed,
): Promise<void> {
  const at = now - 40 * MINUTE_MS;
  const next = {
    certificate: name,
    generation: generation + 1,
    reason: "renewalWindow",
    reasonDetail: "a third of its lifetime is left",
  } as const;
  const started = [
    0,
    "renewal.planned",
    { trigger: "planner", reason: "renewalWindow", detail: next.reasonDetail },
  ] as const;
  const asking = [1_000, "issue.started", { issuer, attempt: 1 }] as const;
  if (kind === "limited" || kind === "expired") {
    const [code, message] =
      kind === "limited"
        ? ["acme.rateLimited", `too many certificates: ${text}`]
        : ["acme.caa", `CAA forbids it: ${text}`];
    const made = renewal({
      id: idOf(),
      ...next,
      state: "failed",
      createdAt: at,
      finishedAt: at + 60_000,
      nextActionAt: null,
      attempts: 3,
      errorCode: code ?? null,
      errorMessage: message ?? null,
    });
    await tx.renewals.insert(made);
    const failed = {
      attempt: 3,
      code: code ?? "",
      message: message ?? "",
      action: "Wait: renewd tries again when the CA allows it.",
    };
    await eventsOf(tx, made, [
      started,
      asking,
      [30_000, "issue.failed", failed],
      [60_000, "renewal.failed", { code: failed.code, message: failed.message }],
    ]);
  }
  if (kind === "inFlight" || kind === "retrying") {
    const waits =
      kind === "retrying"
        ? {
            retryAt: now + 8 * MINUTE_MS,
            attempts: 2,
            errorCode: "acme.server",
            errorMessage: `the CA answered 503: ${text}`,
          }
        : {};
    const made = renewal({
      id: idOf(),
      ...next,
      state: "issuing",
      trigger: "request",
      createdAt: now - 90_000,
      nextActionAt: now + 60_000,
      ...waits,
    });
    await tx.renewals.insert(made);
    const failed = {
      attempt: 1,
      code: "acme.server",
      message: `503: ${text}`,
      action: "Nothing, unless it repeats.",
      retryAt: now + 8 * MINUTE_MS,
    };
    await eventsOf(tx, made, [
      started,
      asking,
      ...(kind === "retrying" ? [[20_000, "issue.failed", failed] as const] : []),
    ]);
  }
  if (kind === "held") {
    const made = renewal({
      id: idOf(),
      certificate: name,
      generation,
      reason: "renewalWindow",
      reasonDetail: next.reasonDetail,
      state: "held",
      createdAt: at,
      nextActionAt: null,
      errorCode: "verify.stale",
      errorMessage: `an endpoint serves another certificate: ${text}`,
    });
    await tx.renewals.insert(made);
    await eventsOf(tx, made, [
      started,
      asking,
      [20_000, "deploy.succeeded", { durationMs: 900 }, targets[0] ?? "lb"],
      [60_000, "renewal.held", { code: "verify.stale", message: text, action: "Fix it, then resume." }],
    ]);
  }
  if (kind === "paused")
    await tx.events.append({
      at,
      type: "certificate.paused",
      certificate: name,
      renewalId: null,
      target: null,
      detail: { reason: text, until: null, by: "alice@desk" },
    });
}
