import type { HistoryEvent } from "../../domain/event.ts";
import type { WatchedEndpoint } from "../../domain/watched.ts";
import type { Context } from "../context.ts";
import type { Fault } from "../rules/alerts/faults.ts";
import type { RoutedCertificate } from "../rules/alerts/routing.ts";
import { watchedFault } from "../rules/alerts/watched.ts";
import { watchedKeyOf, watchedMember } from "../rules/watched.ts";

/** Nothing is well that was not looked at, but these need nobody. */
const QUIET: readonly string[] = ["good", "unseen", "unverifiable"];

/** Watched endpoints whose last look found something wrong, as members of alerts. */
export async function troubledWatched({ store }: Pick<Context, "store">): Promise<string[]> {
  const all = await store.watched.list();
  return all.filter(({ look }) => look !== null && !QUIET.includes(look.state)).map(watchedMember);
}

/** The watched endpoint that an event is about, as a member of alerts. */
export function watchedMemberOf({ type, detail }: HistoryEvent): string[] {
  return type === "watch.changed" && typeof detail.watched === "string" ? [watchedMember({ key: detail.watched })] : [];
}

/** Those of the members that are watched endpoints, as far as there still are any. */
export async function watchedAmong(
  { store }: Pick<Context, "store">,
  members: Iterable<string>,
): Promise<ReadonlyMap<string, WatchedEndpoint>> {
  const found = new Map<string, WatchedEndpoint>();
  for (const member of members) {
    const key = watchedKeyOf(member);
    const watched = key === null || found.has(member) ? null : await store.watched.get(key);
    if (watched !== null) found.set(member, watched);
  }
  return found;
}

export function judgeWatched({ settings, clock }: Context, watched: ReadonlyMap<string, WatchedEndpoint>): Fault[] {
  const now = clock.now();
  return [...watched.values()].flatMap((each) => watchedFault(each, settings.alerts.thresholds, now) ?? []);
}

/** What routes and channels ask: nobody issues or deploys it here, but somebody may answer for it. */
export function routedWatched(
  watched: ReadonlyMap<string, WatchedEndpoint>,
): (member: string) => RoutedCertificate | null {
  return (member) => {
    const found = watched.get(member);
    return found === undefined
      ? null
      : { name: found.key, issuer: "", targets: [], responsibility: found.responsibility };
  };
}
