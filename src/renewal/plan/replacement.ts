import { randomUUID } from "node:crypto";
import type { Certificate } from "../../domain/certificate.ts";
import type { Drill, DrillScenario } from "../../domain/drill.ts";
import { RenewalError } from "../../domain/errors.ts";
import { latestVersions } from "../../domain/latestVersions.ts";
import type { Replacement, ReplacementMember } from "../../domain/replacement.ts";
import type { Store } from "../../domain/store.ts";
import { canonicalSerial, type Version } from "../../domain/version.ts";
import type { Context } from "../context.ts";
import { type Selection, selects, waveOf } from "../rules/replacement.ts";

export interface ReplacementRequest {
  readonly selection: Selection;
  /** For people. */
  readonly described: string;
  readonly issuer: string | null;
  readonly deadline: number;
  /** How many have their turn first, second …; the rest comes last. Empty: all at once. */
  readonly waves: readonly number[];
  /** It is a drill: how far each certificate has come is measured. */
  readonly drill?: DrillScenario;
  /** Who asked, and why, for the history. */
  readonly by?: string | null;
  readonly why?: string | null;
}

export interface ReplacementDraft {
  readonly members: readonly { readonly certificate: Certificate; readonly version: Version }[];
  /** Selected, but the wanted issuer is not configured for them. */
  readonly refused: readonly { readonly certificate: string; readonly why: string }[];
  /** Serials of the selection that no certificate in use has: replaced already, or not renewd's. */
  readonly unknownSerials: readonly string[];
}

/** Which certificates it would replace; records nothing. */
export async function draftReplacement(
  { store, services }: Pick<Context, "store" | "services">,
  { selection, issuer }: ReplacementRequest,
): Promise<ReplacementDraft> {
  const members: { certificate: Certificate; version: Version }[] = [];
  const refused: { certificate: string; why: string }[] = [];
  const unknownSerials = new Set(selection.serials);
  for await (const version of latestVersions(store)) {
    unknownSerials.delete(canonicalSerial(version.leaf.serial));
    const certificate = services.certificate(version.certificate);
    if (certificate === null || !selects(selection, version, certificate)) continue;
    if (certificate.allDistrusted) {
      refused.push({ certificate: certificate.name, why: "every issuer that it names is distrusted" });
      continue;
    }
    // A certificate from an issuer that is not configured would be replaced again at once.
    if (issuer !== null && ![certificate.issuer, ...certificate.fallbacks].includes(issuer)) {
      refused.push({ certificate: certificate.name, why: `its configuration does not name issuer "${issuer}"` });
    } else members.push({ certificate, version });
  }
  return { members, refused, unknownSerials: [...unknownSerials] };
}

/** Records the replacement; from then on every planner works on it. */
export async function startReplacement(
  { store, clock }: Pick<Context, "store" | "clock">,
  request: ReplacementRequest,
  { members }: ReplacementDraft,
): Promise<Replacement> {
  if (members.length === 0)
    throw new RenewalError("request.invalid", "no issued certificate of the configuration fits the selection");
  const now = clock.now();
  const { described: selection, issuer, deadline, waves, by = null, why = null } = request;
  const replacement: Replacement = { id: randomUUID(), selection, issuer, deadline, createdAt: now, endedAt: null };
  const rows = members.map(({ version: { certificate, generation } }, index): ReplacementMember => {
    return { replacement: replacement.id, certificate, generation, wave: waveOf(index, waves) };
  });
  await store.transaction(async (tx) => {
    await tx.certificates.lock(rows.map(({ certificate }) => certificate));
    await tx.replacements.create(replacement, rows);
    if (request.drill !== undefined) await beginDrill(tx, drillOf(replacement, request.drill, rows), request);
    const first = Math.min(...rows.map(({ wave }) => wave));
    for (const { certificate, wave } of rows) {
      // The end of the wave before wakes the others.
      if (wave === first && (await tx.renewals.active(certificate)) === null)
        await tx.certificates.update(certificate, { nextCheckAt: now });
      await tx.events.append({
        at: now,
        type: "certificate.replacing",
        certificate,
        renewalId: null,
        target: null,
        detail: { replacement: replacement.id, selection, by, ...(why !== null && { why }) },
      });
    }
  });
  return replacement;
}

/** Measured from the same transaction on, so that no renewal comes before it. */
async function beginDrill(
  tx: Store,
  drill: Drill,
  { issuer, by = null, why = null }: ReplacementRequest,
): Promise<void> {
  await tx.drills.save(drill);
  await tx.events.append({
    at: drill.startedAt,
    type: "drill.started",
    ...{ certificate: null, renewalId: null, target: null },
    detail: {
      ...{ drill: drill.id, scenario: drill.scenario, certificates: drill.members.length, by },
      ...(issuer !== null && { issuer }),
      ...(why !== null && { why }),
    },
  });
}

function drillOf({ id, createdAt }: Replacement, scenario: DrillScenario, rows: readonly ReplacementMember[]): Drill {
  const nothing = { detected: null, issued: null, deployed: null, proved: null };
  const members = rows.map(({ certificate, generation }) => ({ certificate, generation, ...nothing }));
  return { id, scenario, startedAt: createdAt, finishedAt: null, members };
}

export interface Cancellation {
  readonly id: string;
  readonly by: string | null;
  readonly why: string | null;
}

/** Replaces no more for it; renewals in flight go on. */
export async function cancelReplacement(
  { store, clock }: Pick<Context, "store" | "clock">,
  { id, by, why }: Cancellation,
): Promise<void> {
  const at = clock.now();
  await store.transaction(async (tx) => {
    if (!(await tx.replacements.end(id, at)))
      throw new RenewalError("request.invalid", `replacement ${id} was cancelled already`);
    const detail = { replacement: id, by, ...(why !== null && { why }) };
    const about = { certificate: null, renewalId: null, target: null };
    await tx.events.append({ at, type: "replacement.cancelled", ...about, detail });
  });
}
