import type { Peer } from "../../domain/peer.ts";
import { seconds } from "./certificates.ts";
import { labels, type Scrape } from "./registry.ts";

const PEERS_MAX = 100;

/** Other renewds that this one watches. */
export function peerMetrics({ gauge }: Scrape, all: readonly Peer[]): void {
  const shown = all.slice(0, PEERS_MAX);
  gauge(
    "renewd_peer_up",
    "1 if another renewd said that it does its work when it was asked last.",
    shown.map(({ name, state }) => ({ labels: labels({ peer: name }), value: state === "well" ? 1 : 0 })),
  );
  gauge(
    "renewd_peer_asked_timestamp_seconds",
    "When another renewd was asked last.",
    shown.map(({ name, askedAt }) => ({ labels: labels({ peer: name }), value: seconds(askedAt) })),
  );
  gauge(
    "renewd_peer_sweep_timestamp_seconds",
    "When the planner of another renewd last completed a sweep, by its own word.",
    shown.map(({ name, sweptAt }) => ({ labels: labels({ peer: name }), value: seconds(sweptAt) })),
  );
}
