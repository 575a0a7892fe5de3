import type { Responsibility } from "../../domain/responsibility.ts";
import { DAY_MS } from "../../domain/time.ts";
import { suggestionFor } from "../../renewal/rules/suggestion.ts";
import { renewalWindow } from "../../renewal/rules/window.ts";
import { type CertificateState, stateOf } from "../certificates.ts";
import { failuresOf } from "../failures.ts";
import { progressOf } from "../fleet.ts";
import { nextOf } from "../next.ts";
import type { ProblemKind } from "../problems.ts";
import type { Trouble } from "../status.ts";
import type { Examined } from "../summary.ts";
import { type WaitingOn, waitingOn } from "./waitingOn.ts";

/** One certificate as the list shows it. Instants are ms since epoch. */
export interface CertificateRow {
  readonly certificate: string;
  readonly names: readonly string[];
  readonly state: CertificateState;
  readonly problems: readonly ProblemKind[];
  /** What is wrong, in one sentence; null: nothing. */
  readonly what: string | null;
  readonly needsPerson: boolean;
  readonly isAcknowledged: boolean;
  /** Id of its cause; null: nothing is wrong. */
  readonly cause: string | null;
  readonly issuer: string;
  readonly keyType: string;
  readonly targets: readonly string[];
  /** The lowest of its targets and endpoints; null: there are none of them. */
  readonly generations: Generations;
  readonly life: Life | null;
  /** Of the older pair that some clients still get; null: all get the latest. */
  readonly clientsLife: Life | null;
  /** When the first of what clients get expires; null: nothing was issued. */
  readonly expiresAt: number | null;
  readonly next: { readonly at: number | null; readonly what: string };
  readonly waitingOn: WaitingOn;
  /** By a person, or by renewd after workers kept dying; null: it is not. */
  readonly paused: { readonly since: number; readonly until: number | null; readonly reason: string } | null;
  readonly provedAt: number | null;
  readonly inFlight: boolean;
  /** Of the renewal in flight, or of the last one that failed. */
  readonly renewalId: string | null;
  /** Ids of replacements it belongs to, each also with how far it has come: `ID` and `ID done`. */
  readonly replacements: readonly string[];
  readonly serial: string | null;
  readonly fingerprint: string | null;
  /** What keeps it from lifetimes of 47 days; empty: it is ready. */
  readonly unready: readonly string[];
  readonly responsibility: Responsibility;
  /** The file, or `database`; null: an older release applied it. */
  readonly definedIn: string | null;
}

export interface Generations {
  readonly issued: number;
  readonly deployed: number | null;
  readonly observed: number | null;
}

/** What the life bar draws. */
export interface Life {
  readonly from: number;
  readonly to: number;
  readonly windowOpensAt: number;
  readonly dueAt: number;
  readonly emergencyAt: number;
  readonly suggested: { readonly from: number; readonly to: number; readonly at: number } | null;
}

export function certificateRow(
  examined: Examined,
  trouble: Trouble | undefined,
  replacements: readonly string[] = [],
): CertificateRow {
  const { member, now, problems, expiresAt } = examined;
  const { certificate, version, active } = member;
  const waits = waitingOn(examined);
  const { provedAt } = progressOf(member);
  return {
    certificate: certificate.name,
    names: certificate.identifiers.map(({ value }) => value),
    state: stateOf(member, expiresAt, now),
    problems: problems.map(({ kind }) => kind),
    what: problems.length === 0 ? null : problems.map(({ what }) => what).join("; "),
    needsPerson: trouble?.needsPerson ?? false,
    isAcknowledged: trouble?.acknowledged != null,
    cause: causeOf(examined),
    issuer: version?.issuer ?? certificate.issuer,
    keyType: version?.keyType ?? certificate.keyType,
    targets: certificate.targets,
    generations: generationsOf(examined),
    life: lifeOf(examined),
    clientsLife: clientsLifeOf(examined),
    paused: pauseOf(examined),
    expiresAt,
    next: nextFor(examined, waits),
    waitingOn: waits,
    provedAt,
    inFlight: active !== null,
    replacements,
    renewalId: active?.id ?? examined.renewal?.id ?? null,
    serial: version?.leaf.serial ?? null,
    fingerprint: version?.leaf.fingerprint ?? null,
    unready: unreadyFor47Days(examined),
    responsibility: certificate.responsibility,
    definedIn: certificate.definedIn ?? null,
  };
}

function nextFor(examined: Examined, waits: WaitingOn): CertificateRow["next"] {
  const { member, decision, now } = examined;
  const pause = pauseOf(examined);
  if (waits === "paused" && pause !== null)
    return { at: pause.until, what: pause.until === null ? "nothing until it is resumed" : "its pause ends" };
  if (decision === null || decision.due || member.active !== null || waits === "person")
    return parsed(nextOf(examined));
  const at = decision.until === null ? null : Math.max(now, decision.until);
  return { at, what: whatNext(decision.detail, waits) };
}

function pauseOf({ member: { record }, now }: Examined): CertificateRow["paused"] {
  if (record === null || record.pausedAt === null || (record.pausedUntil ?? Number.POSITIVE_INFINITY) <= now)
    return null;
  return { since: record.pausedAt, until: record.pausedUntil, reason: record.pausedReason ?? "no reason was given" };
}

/** The instant is shown beside it. */
function whatNext(detail: string, waits: WaitingOn): string {
  if (waits !== "window") return detail;
  return detail.includes("as the CA suggests") ? "renews, as the CA suggests" : "renews";
}

function parsed({ at, what }: Trouble["next"]): CertificateRow["next"] {
  return { at: at === null ? null : Date.parse(at), what };
}

/** Failures with the same code at the same place have one origin; without a code, problems of the same kind. */
export function causeOf({ member, problems }: Examined): string | null {
  const [problem] = problems;
  if (problem === undefined) return null;
  const [failure] = failuresOf(member);
  if (failure === undefined) return problem.kind;
  const target = /^target (.*)$/.exec(failure.where)?.[1];
  const place = target ?? (failure.where === "issuing" ? (member.active?.issuer ?? member.certificate.issuer) : null);
  return place === null ? failure.code : `${failure.code} at ${place}`;
}

function generationsOf({ member: { certificate, version, deployments, endpoints } }: Examined): Generations {
  const held = certificate.targets.map(
    (target) => deployments.find((row) => row.target === target)?.deployedGeneration ?? 0,
  );
  const keys = certificate.endpoints.map(({ sni, host, port }) => `${sni}@${host}:${port}`);
  const seen = keys.map((key) => {
    const status = endpoints.find(({ endpoint }) => endpoint === key);
    return status?.proved ? status.generation : 0;
  });
  return {
    issued: version?.generation ?? 0,
    deployed: held.length === 0 ? null : Math.min(...held),
    observed: seen.length === 0 ? null : Math.min(...seen),
  };
}

function lifeOf({ member: { certificate, version, renewalInfo } }: Examined): Life | null {
  if (version === null) return null;
  const { opensAt, dueAt, emergencyAt } = renewalWindow(version.leaf, certificate.policy);
  const suggested = suggestionFor(version, renewalInfo);
  return {
    from: version.leaf.notBefore,
    to: version.leaf.notAfter,
    windowOpensAt: opensAt,
    dueAt,
    emergencyAt,
    suggested: suggested && { from: suggested.start, to: suggested.end, at: suggested.renewAt },
  };
}

function clientsLifeOf({ member: { certificate, version }, earliest = null }: Examined): Life | null {
  if (version === null || earliest === null || earliest.notAfter >= version.leaf.notAfter) return null;
  const { notBefore, notAfter } = earliest;
  const { opensAt, dueAt, emergencyAt } = renewalWindow({ ...version.leaf, notBefore, notAfter }, certificate.policy);
  return { from: notBefore, to: notAfter, windowOpensAt: opensAt, dueAt, emergencyAt, suggested: null };
}

/** Eight renewals a year leave no room for work by hand: each of these needs a person or proves nothing. */
function unreadyFor47Days({ member }: Examined): string[] {
  const { certificate, record, version } = member;
  return [
    certificate.mode === "observe" ? "observed only: somebody renews it by hand" : null,
    certificate.csr !== null ? "its signing request is made elsewhere" : null,
    certificate.endpoints.length === 0 ? "no endpoint proves that a renewal is live" : null,
    certificate.targets.length === 0 ? "no target: somebody deploys it by hand" : null,
    version === null ? "it was never issued" : null,
    version?.issuer === "imported" ? "renewd has not renewed it yet" : null,
    record?.pausedAt != null ? "it is paused" : null,
    (record?.failures ?? 0) > 0 ? "its last renewal failed" : null,
    record?.rehearsalProblem != null ? "its last rehearsal failed" : null,
  ].filter((each) => each !== null);
}

export const LIFETIMES = ["10d", "47d", "100d", "200d", "longer", "none"] as const;

export function lifetimeOf({ life }: CertificateRow): (typeof LIFETIMES)[number] {
  if (life === null) return "none";
  const days = (life.to - life.from) / DAY_MS;
  // Certificates of 90 days often last a second or an hour longer.
  if (days <= 10.1) return "10d";
  if (days <= 47.1) return "47d";
  if (days <= 100.1) return "100d";
  return days <= 200.1 ? "200d" : "longer";
}
