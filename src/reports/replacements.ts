import type { Certificate } from "../domain/certificate.ts";
import { RenewalError } from "../domain/errors.ts";
import { ERRORS, isErrorCode } from "../domain/errorTable.ts";
import type { Replacement, ReplacementMember } from "../domain/replacement.ts";
import type { Store } from "../domain/store.ts";
import { takingTurns } from "../domain/turns.ts";
import { waitsUntil } from "./failures.ts";
import { type BudgetOf, loadFleet, type Member, planDecisionOf } from "./fleet.ts";
import { iso } from "./instant.ts";
import { exhaustedLimits } from "./limits.ts";
import { HEALING } from "./problems.ts";

/** `renewd replace status --json`. */
export interface ReplacementReport {
  readonly version: 1;
  readonly at: string;
  /** Newest first. */
  readonly replacements: readonly ReplacementEntry[];
}

export interface ReplacementEntry {
  readonly id: string;
  readonly selection: string;
  /** Who asked for it, and why; null: not known. */
  readonly by: string | null;
  readonly why: string | null;
  readonly startedAt: string;
  readonly deadline: string;
  readonly cancelled: boolean;
  readonly certificates: number;
  /** A later generation is verified. */
  readonly done: number;
  readonly inFlight: number;
  /** The others, by what they wait on, the most first. */
  readonly waiting: readonly { readonly on: string; readonly certificates: readonly string[] }[];
  /** By the pace so far and the CAs' limits; null: nothing is done yet and no limit says, or all is done. */
  readonly projectedAt: string | null;
  /** Certificates that do not come through by themselves: no time can be promised for them. */
  readonly needPerson: number;
  readonly inTime: boolean | null;
}

export interface ReplacementSource {
  readonly store: Store;
  readonly config: { readonly certificates: readonly Certificate[] };
  readonly services: { readonly budget: BudgetOf };
}

export async function replacementReport(
  { store, config, services }: ReplacementSource,
  id: string | undefined,
  now: number,
): Promise<ReplacementReport> {
  const listed = id === undefined ? await store.replacements.list() : [await replacementNamed(store, id)];
  const fleet = new Map(
    (await loadFleet(store, config.certificates, now, { budgetOf: services.budget })).map((member) => [
      member.certificate.name,
      member,
    ]),
  );
  const replacements: ReplacementEntry[] = [];
  for (const replacement of listed) replacements.push(await replacementEntry(store, replacement, fleet, now));
  return { version: 1, at: iso(now), replacements };
}

/** By its id, or the beginning of it. Throws `request.invalid`. */
export async function replacementNamed(
  { replacements }: Pick<Store, "replacements">,
  id: string,
): Promise<Replacement> {
  const [found, another] = (await replacements.list()).filter((each) => each.id.startsWith(id));
  if (found !== undefined && another === undefined) return found;
  throw new RenewalError(
    "request.invalid",
    `"${id.slice(0, 80)}" is the beginning of ${found === undefined ? "no" : "more than one"} replacement's id`,
  );
}

export type ReplacementProgress = "done" | "inFlight" | "waiting";

/** How far a member has come, for lists of certificates. */
export function progressIn(member: Member, { generation }: ReplacementMember, now: number): ReplacementProgress {
  const state = stateOf(member, generation, now);
  return state === "done" || state === "inFlight" ? state : "waiting";
}

export async function replacementEntry(
  store: Store,
  replacement: Replacement,
  fleet: ReadonlyMap<string, Member>,
  now: number,
  members?: readonly ReplacementMember[],
): Promise<ReplacementEntry> {
  const all = members ?? (await store.replacements.members(replacement.id));
  return { ...(await askedBy(store, replacement.id, all)), ...(await boardOf(replacement, all, fleet, now)) };
}

/** As the history of its first certificate says. */
async function askedBy(
  { events }: Store,
  id: string,
  [first]: readonly ReplacementMember[],
): Promise<Pick<ReplacementEntry, "by" | "why">> {
  if (first === undefined) return { by: null, why: null };
  const { certificate } = first;
  const asked = await events.list({ certificate, types: ["certificate.replacing"], limit: ASKED_MAX });
  const { by, why } = asked.find(({ detail }) => detail.replacement === id)?.detail ?? {};
  return { by: typeof by === "string" ? by : null, why: typeof why === "string" ? why : null };
}

const ASKED_MAX = 50;

async function boardOf(
  replacement: Replacement,
  members: readonly ReplacementMember[],
  fleet: ReadonlyMap<string, Member>,
  now: number,
): Promise<Omit<ReplacementEntry, "by" | "why">> {
  const turn = takingTurns();
  // Which replacement it waits for need not be said on its own board.
  const own = `replacement ${replacement.id.slice(0, 8)}: `;
  const waiting = new Map<string, string[]>();
  const left: Member[] = [];
  let done = 0;
  let inFlight = 0;
  for (const { certificate, generation } of members) {
    const member = fleet.get(certificate);
    const found = member === undefined ? "left the configuration" : stateOf(member, generation, now);
    const state = found.startsWith(own) ? found.slice(own.length) : found;
    if (state === "done") done += 1;
    else if (state === "inFlight") inFlight += 1;
    else
      waiting
        .set(state, waiting.get(state) ?? [])
        .get(state)
        ?.push(certificate);
    if (member !== undefined && state !== "done") left.push(member);
    await turn();
  }
  const needPerson = replacement.endedAt === null ? left.filter((member) => isBarred(member, now)).length : 0;
  const runs = replacement.endedAt === null && done < members.length && needPerson === 0;
  const projectedAt = runs ? await project(replacement, done, left, now) : null;
  return {
    id: replacement.id,
    selection: replacement.selection,
    startedAt: iso(replacement.createdAt),
    deadline: iso(replacement.deadline),
    cancelled: replacement.endedAt !== null,
    certificates: members.length,
    done,
    inFlight,
    waiting: [...waiting]
      .map(([on, certificates]) => ({ on, certificates }))
      .sort((a, b) => b.certificates.length - a.certificates.length),
    projectedAt: iso(projectedAt),
    needPerson,
    inTime: needPerson > 0 ? false : projectedAt === null ? null : projectedAt <= replacement.deadline,
  };
}

function stateOf(member: Member, generation: number, now: number): string {
  const { version, active } = member;
  if (version !== null && version.generation > generation && version.verifiedAt !== null) return "done";
  if (active !== null)
    return waitsUntil(member, now) === null
      ? "inFlight"
      : `${active.errorCode ?? "a target"}: ${active.errorMessage ?? "tried again later"}`;
  const decision = planDecisionOf(member, now);
  if (decision === null || decision.due || decision.blockedBy === null) return "its turn";
  return decision.detail;
}

/** Held, paused, or stopped by what waiting does not change. */
function isBarred({ active, record }: Member, now: number): boolean {
  if (active?.state === "held") return true;
  const isPaused = record !== null && record.pausedAt !== null && record.pausedUntil === null;
  if (isPaused && active === null) return true;
  const code = active?.errorCode ?? ((record?.failures ?? 0) > 0 ? (record?.lastErrorCode ?? null) : null);
  const isDue = active !== null || (record?.nextAttemptAt ?? 0) > now;
  return isDue && code !== null && isErrorCode(code) && !HEALING.has(ERRORS[code].class);
}

async function project(
  { createdAt }: Replacement,
  done: number,
  left: readonly Member[],
  now: number,
): Promise<number | null> {
  if (left.length === 0) return now;
  const byLimit = (await exhaustedLimits(left, now)).map(({ lastAt }) => Date.parse(lastAt));
  const byPace = done === 0 ? [] : [now + ((now - createdAt) / done) * left.length];
  return byLimit.length + byPace.length === 0 ? null : Math.max(...byLimit, ...byPace);
}
