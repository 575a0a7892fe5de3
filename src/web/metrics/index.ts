import { Hono } from "hono";
import { toRenewalError } from "../../domain/errors.ts";
import type { Totals } from "../../domain/totals.ts";
import type { WebContext, WebEnv, WebRoutes } from "../context.ts";
import { fleetOf } from "../fleet.ts";
import { textStream } from "../textStream.ts";
import { certificateMetrics, observationMetrics, seconds } from "./certificates.ts";
import { exerciseMetrics } from "./exercises.ts";
import { ownProcess } from "./ownProcess.ts";
import { peerMetrics } from "./peers.ts";
import { createScrape, labels } from "./registry.ts";
import { WATCHED_MAX, watchedMetrics } from "./watched.ts";
import {
  alertMetrics,
  budgetMetrics,
  channelMetrics,
  nameServerMetrics,
  processMetrics,
  queueMetrics,
  totalMetrics,
  workMetrics,
} from "./work.ts";

/** In one transaction: others wait for it. */
const EVENTS_COUNTED_MAX = 1_000;
/** More follow with the next scrape: a scrape is answered within its usual ten seconds. */
const COUNTS_MAX = 20;
/** The last that anybody acknowledged is hardly ever older. */
const EXERCISES_MAX = 24;
const REDIS_TIMEOUT_MS = 1_000;
const TYPE = "text/plain; version=0.0.4; charset=utf-8";

/** `/metrics`, for Prometheus. */
export function metricsRoutes(web: WebContext): WebRoutes {
  return new Hono<WebEnv>().get("/metrics", async (request) => {
    const signal = AbortSignal.any([request.req.raw.signal, AbortSignal.timeout(REDIS_TIMEOUT_MS)]);
    return request.body(await textStream(await metricsLines(web, signal)), 200, { "content-type": TYPE });
  });
}

/**
 * The numbers that pages and API show, out of the same reading; besides it a fixed number of statements, however many
 * certificates there are. While the database is away it throws: an old number is worse than a failed scrape.
 */
export async function metricsLines(web: WebContext, signal: AbortSignal): Promise<Iterable<string>> {
  const { store, clock, log } = web.renewal;
  const snapshot = await fleetOf(web).read();
  const totals = await countedTotals(store);
  const now = clock.now();
  const queues = await web.queues(signal).catch((thrown: unknown) => {
    log.debug({ err: toRenewalError(thrown) }, "metrics without queues");
    return null;
  });
  const scrape = createScrape();
  scrape.gauge("renewd_build_info", "Release of this process; always 1.", [
    { labels: labels({ version: web.version }), value: 1 },
  ]);
  scrape.gauge("renewd_reading_timestamp_seconds", "When the certificates below were read from the database.", [
    { labels: "", value: seconds(snapshot.at) },
  ]);
  certificateMetrics(scrape, snapshot);
  observationMetrics(scrape, snapshot);
  watchedMetrics(scrape, await store.watched.list({ limit: WATCHED_MAX }));
  workMetrics(scrape, snapshot);
  totalMetrics(scrape, totals);
  queueMetrics(scrape, queues);
  nameServerMetrics(scrape, await store.nameServerTotals.list());
  budgetMetrics(
    scrape,
    [...web.config().issuers.values()].map(({ budget }) => budget),
    await store.ledger.list(now),
    now,
  );
  alertMetrics(scrape, await store.alerts.open());
  exerciseMetrics(scrape, await store.exercises.list(EXERCISES_MAX));
  peerMetrics(scrape, await store.peers.list());
  channelMetrics(scrape, await store.cursors.list(), totals.lastSeq);
  processMetrics(scrape, snapshot);
  return both(scrape.lines(), await (await ownProcess()).metrics());
}

async function countedTotals({ totals }: Pick<WebContext["renewal"]["store"], "totals">): Promise<Totals> {
  for (let count = 1; ; count += 1) {
    await totals.count(EVENTS_COUNTED_MAX);
    const read = await totals.read();
    if (count === COUNTS_MAX || read.countedSeq >= read.lastSeq) return read;
  }
}

function* both(lines: Iterable<string>, more: string): Generator<string> {
  yield* lines;
  yield `\n${more}`;
}
