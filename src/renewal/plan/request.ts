import type { Certificate } from "../../domain/certificate.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import { deploysExisting, type Reason, type Renewal } from "../../domain/renewal.ts";
import type { Store } from "../../domain/store.ts";
import type { Context } from "../context.ts";
import { hurryRenewal } from "../operator/hurry.ts";
import { refuseObserved } from "../operator/subject.ts";
import { decide } from "../rules/decide.ts";
import { firstReason } from "../rules/reasons.ts";
import { isUnconfirmed } from "../rules/restored.ts";
import { loadPlanFacts, startRenewals } from "./plan.ts";

/** A person or program asks for a renewal now. Neither back-off nor pause stops it: asking is the decision. */
export interface RenewalRequest {
  readonly certificate: string;
  /** Issue a new version even of a healthy certificate. */
  readonly force: boolean;
  readonly reason: string | null;
  readonly requestedBy: string | null;
  /**
   * A UUID from the caller that becomes the renewal's id: two requests with one id are one renewal. Left out: a new
   * one.
   */
  readonly id?: string | null;
  /**
   * When a program asked: a renewal that began since is its answer, so that a thousand copies are one renewal. Left out
   * for people, whose word always counts.
   */
  readonly askedAt?: number | null;
}

export interface RequestAnswer {
  readonly renewalId: string;
  /** A renewal of this certificate was already running; this is its id. */
  readonly joined: boolean;
  /** It was waiting, and makes its next attempt now because of this request. */
  readonly hurried: boolean;
}

/** Idempotent while a renewal runs: asking twice gives the same id. Throws `request.invalid` with what to do. */
export async function requestRenewal(context: Context, request: RenewalRequest): Promise<RequestAnswer> {
  try {
    return await answer(context, request);
  } catch (thrown) {
    const error = toRenewalError(thrown);
    if (error.code === "request.invalid") await recordRefusal(context, request, error.message);
    throw thrown;
  }
}

/** Of each configured certificate at most one refusal a minute: whoever may ask must not fill the history. */
const REFUSALS_APART_MS = 60_000;

async function recordRefusal(
  { store, services, clock, log }: Context,
  { certificate, requestedBy }: RenewalRequest,
  message: string,
): Promise<void> {
  if (services.certificate(certificate) === null) return;
  const at = clock.now();
  const detail = { message, by: requestedBy };
  try {
    const since = at - REFUSALS_APART_MS;
    const recent = await store.events.list({ certificate, types: ["request.refused"], since, limit: 1 });
    if (recent.length === 0)
      await store.events.append({ at, type: "request.refused", certificate, renewalId: null, target: null, detail });
  } catch (thrown) {
    log.error({ err: toRenewalError(thrown) }, "event not written");
  }
}

async function answer(context: Context, request: RenewalRequest): Promise<RequestAnswer> {
  const { store, services, clock } = context;
  const id = request.id ?? null;
  const known = id === null ? null : await store.renewals.get(id);
  if (known !== null) return { renewalId: known.id, joined: true, hurried: false };
  const certificate = services.certificate(request.certificate);
  const record = certificate === null ? null : await store.certificates.get(certificate.name);
  if (certificate === null) throw unknownCertificate(request.certificate, services.certificates());
  refuseObserved(certificate);
  if (certificate.allDistrusted)
    throw new RenewalError(
      "request.invalid",
      `certificate: every issuer that "${certificate.name}" names is distrusted; name another and reload`,
    );
  if (record === null)
    throw new RenewalError(
      "request.invalid",
      `certificate: "${certificate.name}" is configured but no planner has seen it yet; start or reload one`,
    );
  const begun =
    (await store.renewals.active(certificate.name)) ?? (await begunSince(store, certificate.name, request.askedAt));
  if (begun !== null) return join(context, begun, request);
  const facts = await loadPlanFacts(context, certificate, record);
  if (facts.active !== null) return join(context, facts.active, request);

  const found = firstReason(facts, clock.now());
  if (found === null && !request.force) {
    const decision = decide(facts, clock.now());
    throw new RenewalError(
      "request.invalid",
      `certificate: "${certificate.name}" is not due (${decision.detail}); with force (\`--force\`) it is renewed all the same`,
    );
  }
  // Force means a new version even where only a deployment is behind. So does a request before a restored state is
  // confirmed.
  const issuesNew = request.force || isUnconfirmed(facts);
  const reason: Reason = found === null || (issuesNew && deploysExisting(found.reason)) ? "requested" : found.reason;
  const detail = describe(request, found?.detail ?? null);
  const [renewal] = await startRenewals(context, [{ facts, start: { reason, detail, trigger: "request", id } }]);
  if (renewal !== undefined) return { renewalId: renewal.id, joined: false, hurried: false };
  const faster = await store.renewals.active(certificate.name);
  if (faster === null)
    throw new RenewalError(
      "request.invalid",
      `certificate: "${certificate.name}" was renewed by another request just now`,
    );
  return { renewalId: faster.id, joined: true, hurried: false };
}

async function begunSince(store: Store, certificate: string, askedAt: number | null = null): Promise<Renewal | null> {
  if (askedAt === null) return null;
  const [newest] = await store.renewals.list({ certificate, since: askedAt, limit: 1 });
  return newest === undefined || deploysExisting(newest.reason) ? null : newest;
}

/**
 * With force, a renewal that waits makes its next attempt now: it brings the new version, and a second order would not.
 */
async function join(context: Context, { id }: Renewal, request: RenewalRequest): Promise<RequestAnswer> {
  const hurried = request.force ? await hurryRenewal(context, id, describe(request, null)) : null;
  return { renewalId: id, joined: true, hurried: hurried !== null };
}

function describe({ reason, requestedBy }: RenewalRequest, found: string | null): string {
  const parts = [reason, found].filter((part) => part !== null);
  return `${parts.join("; ") || "requested by hand"}${requestedBy === null ? "" : ` (by ${requestedBy})`}`;
}

function unknownCertificate(name: string, certificates: readonly Certificate[]): RenewalError {
  const known = certificates.map((certificate) => certificate.name);
  const shown = known.slice(0, 10).join(", ") + (known.length > 10 ? `, … (${known.length} in all)` : "");
  return new RenewalError(
    "request.invalid",
    `certificate: "${name.slice(0, 80)}" is not configured; there are: ${shown || "none"}`,
  );
}
