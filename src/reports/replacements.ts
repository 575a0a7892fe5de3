import type { Certificate } from "../domain/certificate.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Campaign, CampaignMember } from "../domain/replacement.ts";
import type { Store } from "../domain/store.ts";
import { type BudgetOf, decisionOf, loadFleet, type Member } from "./fleet.ts";
import { iso } from "./instant.ts";
import { exhaustedBy } from "./limits.ts";
import { waitsUntil } from "./problems.ts";

/** `renewd replace status --json`. */
export interface BoardReport {
  readonly version: 1;
  readonly at: string;
  /** Newest first. */
  readonly replacements: readonly Board[];
}

export interface Board {
  readonly id: string;
  readonly selection: string;
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
  readonly inTime: boolean | null;
}

export interface BoardSource {
  readonly store: Store;
  readonly config: { readonly certificates: readonly Certificate[] };
  readonly estate: { readonly budget: BudgetOf };
}

export async function boardReport({ store, config, estate }: BoardSource, id: string | undefined, now: number): Promise<BoardReport> {
  const campaigns = (await store.campaigns.list()).filter((each) => id === undefined || each.id.startsWith(id));
  if (id !== undefined && campaigns.length !== 1) {
    throw new RenewalError("request.invalid", `"${id.slice(0, 80)}" is the beginning of ${campaigns.length === 0 ? "no" : "more than one"} replacement's id`);
  }
  const fleet = new Map((await loadFleet(store, config.certificates, now, estate.budget)).map((member) => [member.certificate.name, member]));
  const replacements: Board[] = [];
  for (const campaign of campaigns) replacements.push(boardOf(campaign, await store.campaigns.members(campaign.id), fleet, now));
  return { version: 1, at: iso(now), replacements };
}

function boardOf(campaign: Campaign, members: readonly CampaignMember[], fleet: ReadonlyMap<string, Member>, now: number): Board {
  const waiting = new Map<string, string[]>();
  const left: Member[] = [];
  let done = 0;
  let inFlight = 0;
  for (const { certificate, generation } of members) {
    const member = fleet.get(certificate);
    const state = member === undefined ? "left the configuration" : stateOf(member, generation, now);
    if (state === "done") done += 1;
    else if (state === "inFlight") inFlight += 1;
    else waiting.set(state, [...(waiting.get(state) ?? []), certificate]);
    if (member !== undefined && state !== "done") left.push(member);
  }
  const projectedAt = campaign.endedAt === null && done < members.length ? project(campaign, done, left, now) : null;
  return {
    id: campaign.id,
    selection: campaign.selection,
    startedAt: iso(campaign.createdAt),
    deadline: iso(campaign.deadline),
    cancelled: campaign.endedAt !== null,
    certificates: members.length,
    done,
    inFlight,
    waiting: [...waiting].map(([on, certificates]) => ({ on, certificates })).sort((a, b) => b.certificates.length - a.certificates.length),
    projectedAt: iso(projectedAt),
    inTime: projectedAt === null ? null : projectedAt <= campaign.deadline,
  };
}

function stateOf(member: Member, generation: number, now: number): string {
  const { version, active } = member;
  if (version !== null && version.generation > generation && version.verifiedAt !== null) return "done";
  if (active !== null)
    return waitsUntil(member, now) === null ? "inFlight" : `${active.errorCode ?? "a target"}: ${active.errorMessage ?? "tried again later"}`;
  const decision = decisionOf(member, now);
  if (decision === null || decision.due || decision.hold === null) return "its turn";
  return decision.hold === "budget" ? decision.detail : `${decision.hold}: ${decision.detail}`;
}

function project({ createdAt }: Campaign, done: number, left: readonly Member[], now: number): number | null {
  if (left.length === 0) return now;
  const byLimit = exhaustedBy(left, now).map(({ lastAt }) => Date.parse(lastAt));
  const byPace = done === 0 ? [] : [now + ((now - createdAt) / done) * left.length];
  return byLimit.length + byPace.length === 0 ? null : Math.max(...byLimit, ...byPace);
}
