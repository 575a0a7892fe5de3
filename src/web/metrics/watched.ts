import { WATCH_STATES, type WatchedEndpoint } from "../../domain/watched.ts";
import { seconds } from "./certificates.ts";
import { labels, type Scrape } from "./registry.ts";

/** Two series each. */
export const WATCHED_MAX = 10_000;

/** Endpoints whose certificates somebody else renews. */
export function watchedMetrics({ gauge }: Scrape, all: readonly WatchedEndpoint[]): void {
  const byState = Map.groupBy(all, ({ look }) => look?.state ?? "unseen");
  gauge(
    "renewd_watched_endpoints",
    "Watched endpoints by what their last look showed.",
    WATCH_STATES.map((state) => ({ labels: labels({ state }), value: byState.get(state)?.length ?? 0 })),
  );
  gauge(
    "renewd_watched_not_after_timestamp_seconds",
    "When the first certificate expires that a watched endpoint serves.",
    all.map(({ key, look }) => ({ labels: labels({ endpoint: key }), value: seconds(look?.expiresAt) })),
  );
  gauge(
    "renewd_watched_looked_at_timestamp_seconds",
    "When a watched endpoint was last looked at.",
    all.map(({ key, look }) => ({ labels: labels({ endpoint: key }), value: seconds(look?.at) })),
  );
}
