// What must hold after every drill, whatever was done: nothing lost, nothing mixed, nothing issued twice, nobody turned
// away.
import { setTimeout as delay } from "node:timers/promises";
import type { HistoryEvent } from "../../src/domain/event.ts";
import { servedFingerprint, storedFingerprint } from "../support/servers/served.ts";
import { GIVE_UP_MS } from "./front.ts";
import type { OpenedOrder } from "./ledger.ts";
import { findSecrets } from "./secrets.ts";
import type { Site } from "./sites.ts";
import { pidOf } from "./timeline.ts";
import type { World } from "./world.ts";

const STALE_MAX_MS = 5_000;
/** A worker on a busy machine may take this long from the CA's answer to its commit. */
const COMMIT_MAX_MS = 10_000;

/** Counters of a world at the start of a drill. */
export interface Mark {
  readonly at: number;
  readonly orders: number;
  readonly versions: number;
  readonly kills: number;
  readonly deaths: number;
  readonly failed: number;
  readonly mixed: number;
  readonly handshakes: number;
}

export interface Verdict {
  readonly lost: number;
  readonly mixed: number;
  readonly extraOrders: number;
  /**
   * Of these, opened while the worker that asked for it was killed inside the response window, or in place of one that
   * was validated while no responder was up.
   */
  readonly excusedOrders: number;
  readonly failedHandshakes: number;
  readonly handshakes: number;
  readonly notes: readonly string[];
  readonly problems: readonly string[];
}

export async function mark({ ledger, fleet, client, generations }: World): Promise<Mark> {
  return {
    at: Date.now(),
    orders: ledger.orders.length,
    versions: sum((await generations()).values()),
    kills: fleet.kills.length,
    deaths: fleet.deaths.length,
    failed: client.failed(),
    mixed: client.mixed(),
    handshakes: client.handshakes(),
  };
}

/** `excusedBefore`: orders given up on purpose, such as those of a quarantined renewal. */
export async function judge(
  world: World,
  since: Mark,
  lossInstants: readonly number[],
  excusedBefore = 0,
): Promise<Verdict> {
  const { ledger, fleet, client } = world;
  const settled = await state(world);
  const opened = ledger.orders.slice(since.orders);
  const extraOrders = opened.length - (sum((await world.generations()).values()) - since.versions);
  const excusedOrders =
    excusedBefore +
    (await lostAnswers(world, since, lossInstants)).length +
    (await unansweredOrders(world, since)).length;
  const mixed = client.mixed() - since.mixed + settled.torn;
  const failedHandshakes = client.failed() - since.failed;
  const problems = [...settled.problems, ...fleet.deaths.slice(since.deaths), ...(await findSecrets(world))];
  if (extraOrders > excusedOrders)
    problems.push(`${extraOrders} extra orders, ${excusedOrders} of them excused: ${await explain(world, since)}`);
  if (mixed > 0 || failedHandshakes > 0) problems.push(...client.problems.slice(-5));
  return {
    lost: settled.lost,
    mixed,
    extraOrders,
    excusedOrders,
    failedHandshakes,
    handshakes: client.handshakes() - since.handshakes,
    notes: settled.late,
    problems,
  };
}

interface State {
  readonly lost: number;
  readonly torn: number;
  /** Sites that answered with the pair before for a moment: a reloading server's old worker that was woken late. */
  readonly late: readonly string[];
  readonly problems: readonly string[];
}

/** Served = database = disk, for every certificate, and nothing is left to do. */
async function state({ sites, system }: World): Promise<State> {
  const { store } = system;
  const problems: string[] = [];
  const late: string[] = [];
  const lost = new Set<string>();
  let torn = 0;
  for (const site of sites) {
    const { certificate, bundles, pair } = site;
    const say = (problem: string): void => {
      lost.add(certificate);
      problems.push(`${certificate}: ${problem}`);
    };
    const version = await store.versions.latest(certificate);
    if (version === null) {
      say("no version");
      continue;
    }
    const wanted = version.leaf.fingerprint;
    if (version.verifiedAt === null) say(`generation ${version.generation} was never verified`);
    const active = await store.renewals.active(certificate);
    if (active !== null) say(`renewal ${active.id} is still ${active.state}`);
    for (const { target, deployedGeneration } of await store.deployments.list(certificate)) {
      if (deployedGeneration !== version.generation)
        say(`${target} holds generation ${deployedGeneration} of ${version.generation}`);
    }
    const stale = await staleFor(site, wanted);
    if (stale === null) say(`does not serve generation ${version.generation}, which the database calls verified`);
    else if (stale > 0)
      late.push(
        `${certificate}: an old worker of ${site.server} answered once more after generation ${version.generation} was verified, for ${stale} ms`,
      );
    for (const [file, key] of [
      ...bundles.map((bundle) => [bundle, bundle] as const),
      [pair.fullchain, pair.privkey] as const,
    ]) {
      try {
        const stored = await storedFingerprint(file, key);
        if (stored !== wanted) say(`${file} holds ${stored}, the database says ${wanted}`);
      } catch (error) {
        torn += 1;
        say(error instanceof Error ? error.message : String(error));
      }
    }
  }
  return { lost: lost.size, torn, late, problems };
}

/** How long a site went on serving something else, in ms; null: for longer than any old worker may take to drain. */
async function staleFor({ port, sni }: Site, wanted: string): Promise<number | null> {
  const startedAt = performance.now();
  for (let first = true; performance.now() - startedAt < STALE_MAX_MS; first = false) {
    if ((await servedFingerprint(port, sni).catch(String)) === wanted)
      return first ? 0 : Math.ceil(performance.now() - startedAt);
    await delay(20);
  }
  return null;
}

/**
 * Orders the CA opened and no worker ever wrote down, because the one that asked was killed, or the answer cut off,
 * between the request and the commit: the response window of newOrder.
 */
async function lostAnswers(
  { system, ledger, fleet }: World,
  since: Mark,
  lossInstants: readonly number[],
): Promise<OpenedOrder[]> {
  const from = since.at - 60_000;
  const created = await system.store.events.list({ types: ["order.created"], since: from, limit: 100_000 });
  const started = await system.store.events.list({ types: ["issue.started"], since: from, limit: 100_000 });
  const written = new Set(created.map(({ detail }) => detail.order));
  return ledger.orders.slice(since.orders).filter(({ url, certificate, receivedAt, answeredAt }) => {
    if (written.has(url)) return false;
    const asker = started.findLast((event) => event.certificate === certificate && event.at <= receivedAt);
    const inTime = (at: number, from: number): boolean => at >= from && at <= answeredAt + COMMIT_MAX_MS;
    // The dead send nothing: a request that this process reads after its sender's death was on its way before it.
    const died = asker !== undefined && fleet.kills.some(({ pid, at }) => pid === pidOf(asker) && inTime(at, asker.at));
    return died || lossInstants.some((at) => inTime(at, receivedAt));
  });
}

/**
 * Orders that became invalid because the CA asked for their answers while every worker that has them was dead or
 * starting: each needs another one.
 */
async function unansweredOrders({ system, ledger, front, fleet, sites }: World, since: Mark): Promise<HistoryEvent[]> {
  const abandoned = await system.store.events.list({ types: ["order.abandoned"], since: since.at, limit: 1_000 });
  const acme = fleet.lives.filter(({ role }) => role === "acme");
  const wasUp = (from: number, to: number): boolean =>
    acme.some(({ readyAt, endedAt }) => readyAt !== null && readyAt <= from && (endedAt ?? to) >= to);
  const missed = front.unanswered.filter(({ at }) => !wasUp(at, at + GIVE_UP_MS));
  return abandoned.filter(({ certificate, at, detail }) => {
    const order = ledger.orders.findLast((each) => each.certificate === certificate && each.answeredAt <= at);
    const names = sites.filter((site) => site.certificate === certificate).map(({ sni }) => sni);
    const isOfOrder = (asked: number): boolean => order !== undefined && asked >= order.receivedAt && asked <= at;
    return (
      detail.why === "the CA declared the order invalid" &&
      missed.some((asked) => names.includes(asked.name) && isOfOrder(asked.at))
    );
  });
}

async function explain({ system }: World, since: Mark): Promise<string> {
  const events = await system.store.events.list({
    types: ["order.abandoned", "issue.failed", "renewal.failed"],
    since: since.at - 1_000,
    limit: 20,
  });
  return (
    events.map(({ certificate, type, detail }) => `${certificate} ${type} ${JSON.stringify(detail)}`).join("; ") ||
    "no event tells why"
  );
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
