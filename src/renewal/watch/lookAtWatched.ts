import { isIP } from "node:net";
import pLimit from "p-limit";
import type { Observation } from "../../domain/endpoint.ts";
import { toRenewalError } from "../../domain/errors.ts";
import type { NewEvent } from "../../domain/event.ts";
import type { Finding } from "../../domain/scan.ts";
import type { ServedSighting } from "../../domain/served.ts";
import { MINUTE_MS } from "../../domain/time.ts";
import type { WatchDefinition, WatchedEndpoint, WatchLook, WatchRecord } from "../../domain/watched.ts";
import type { Context } from "../context.ts";
import { isWritten, judgeAddress, lookOf, nextLookAt, withStale } from "../rules/watched.ts";
import { type Asking, askMembers, servedEarlier } from "./members.ts";
import { sightingsOf } from "./recordServed.ts";

/** Connections, and so sockets, of one process at the same time. */
export const SOCKETS_MAX = 256;
/** Endpoints claimed and not yet looked at. */
const AHEAD_MAX = 500;
/** Results written at once. */
const RECORD_MAX = 200;
/** A look that nobody recorded, as its process died, is due again then. */
const CLAIM_MS = 5 * MINUTE_MS;
/** Connections aimed at with what is claimed at once. Where much is due, as after a start, each look makes fewer. */
const CONNECTIONS_AIM = 500;

interface Looked extends WatchRecord {
  readonly before: WatchLook | null;
  readonly sightings: readonly ServedSighting[];
}

/**
 * Connects to every address of the watched endpoints that are due. A few that never answer hold up none of the others:
 * each takes one of the sockets, and no look waits for the one before. Returns how many were looked at.
 */
export async function lookAtWatched(context: Context, signal: AbortSignal): Promise<number> {
  const { store, clock } = context;
  await context.clockGuard.check(signal);
  const limit = pLimit(SOCKETS_MAX);
  const writer = new LookWriter(context);
  const running = new Running();
  const from = context.vantage === undefined ? {} : { vantage: context.vantage };
  let looked = 0;
  while (!signal.aborted) {
    const now = clock.now();
    const due = await store.watched.claim({ now, nextAt: now + CLAIM_MS, limit: AHEAD_MAX, ...from });
    if (due.length === 0 && running.count === 0) break;
    const asking = askingFor(context, due.length);
    for (const watched of due) {
      const task = lookAt(context, watched, { limit, asking }, signal)
        .then((found) => writer.add(found))
        .catch((thrown: unknown) => {
          // One failure must not stop the others. It is due again when its claim ends.
          if (!signal.aborted) context.log.warn({ watched: watched.key, err: toRenewalError(thrown) }, "not looked at");
        });
      running.add(task);
    }
    looked += due.length;
    await running.fallTo(due.length === 0 ? 0 : AHEAD_MAX / 2);
  }
  await running.fallTo(0);
  await writer.flush();
  return looked;
}

/** Looks under way. `Promise.race` over all of them would leave a reaction at each for every one that ends. */
class Running {
  count = 0;
  #ended: () => void = () => {};

  /** `task` never rejects. */
  add(task: Promise<void>): void {
    this.count += 1;
    void task.then(() => {
      this.count -= 1;
      this.#ended();
    });
  }

  async fallTo(most: number): Promise<void> {
    while (this.count > most)
      await new Promise<void>((resolve) => {
        this.#ended = resolve;
      });
  }
}

/** Writes results in pages, one page at a time. */
class LookWriter {
  readonly #context: Context;
  #page: Looked[] = [];
  #writing: Promise<void> = Promise.resolve();

  constructor(context: Context) {
    this.#context = context;
  }

  async add(looked: Looked): Promise<void> {
    this.#page.push(looked);
    if (this.#page.length >= RECORD_MAX) await this.flush();
  }

  flush(): Promise<void> {
    const page = this.#page;
    this.#page = [];
    if (page.length > 0) this.#writing = this.#writing.then(() => record(this.#context, page));
    return this.#writing;
  }
}

async function record({ store, clock }: Context, page: readonly Looked[]): Promise<void> {
  await store.transaction(async (tx) => {
    await tx.watched.record(page);
    await tx.served.record(page.flatMap(({ sightings }) => sightings));
    for (const looked of page) {
      const event = changeOf(looked, clock.now());
      if (event !== null) await tx.events.append(event);
    }
  });
}

/** The history gets changes only: of the state, and of the end of what is served. */
function changeOf({ watched, look, before }: Looked, now: number): NewEvent | null {
  const { state, problem, expiresAt } = look;
  if (before?.state === state && before.problem?.code === problem?.code && before.expiresAt === expiresAt) return null;
  // That a new one is well is no news.
  if (before === null && state === "good") return null;
  const detail = {
    ...{ watched: watched.key, state, before: before?.state ?? "unseen" },
    ...{ code: problem?.code ?? null, message: problem?.message ?? null, expiresAt },
  };
  return { at: now, type: "watch.changed", certificate: null, renewalId: null, target: null, detail };
}

/** A look has its share of what is aimed at, and never fewer than one connection. */
function askingFor({ settings: { lookConnections, proof } }: Context, due: number): Asking {
  const usual = Math.max(1, Math.min(lookConnections, Math.floor(CONNECTIONS_AIM / due)));
  const settled = Math.max(lookConnections, proof.connections);
  return { usual, changed: usual < lookConnections ? lookConnections : settled, settled };
}

interface Bounds {
  readonly limit: <T>(work: () => Promise<T>) => Promise<T>;
  readonly asking: Asking;
}

async function lookAt(
  context: Context,
  watched: WatchedEndpoint,
  { limit, asking }: Bounds,
  signal: AbortSignal,
): Promise<Looked> {
  const { store, probe, clock, settings, judge } = context;
  const { endpoint, expects, look: before } = watched;
  let unresolved: WatchLook["problem"] = null;
  let observations: readonly Observation[] = [];
  let seen: readonly Observation[] = [];
  try {
    const addresses = await limit(() => probe.addresses(endpoint, signal));
    const allowed = addresses.filter((address) => settings.mayDial(address) || isWritten(watched, address));
    observations = await Promise.all(
      // The very addresses that were judged are dialled: a second look-up could give others.
      allowed.map((address) => limit(() => probe.observe(endpoint, address, null, signal))),
    );
    const last = before === null ? null : before.addresses.map(({ observation }) => observation);
    const members = observations.map((first) => {
      const ask = () => limit(() => probe.observe(endpoint, first.address, null, signal));
      return askMembers({ first, last, ask }, asking);
    });
    seen = (await Promise.all(members)).flat();
    if (allowed.length < addresses.length) unresolved = forbidden(addresses, allowed);
  } catch (thrown) {
    signal.throwIfAborted();
    const { code, message } = toRenewalError(thrown);
    unresolved = { code, message };
  }
  const now = clock.now();
  const judged = seen.map((each) => {
    const findings = each.served === null ? [] : (judge?.findings(each.served, endpoint.sni, now) ?? []);
    return judgeAddress(each, findings.filter(isAskedFor(watched)), expects);
  });
  const addresses = withStale(judged, await servedEarlier(store, endpoint, judged));
  const look = lookOf({ expects, addresses, unresolved, before, now });
  const sightings = judge === undefined ? [] : sightingsOf(judge, { endpoint, observations });
  return { watched, before, look, sightings, nextLookAt: nextLookAt(look, settings.observeMs, now, Math.random()) };
}

/** Which name clients use there is not known where discovery dialled an address: any certificate may be right. */
function isAskedFor({ origin, endpoint }: WatchDefinition): (finding: Finding) => boolean {
  const isNameKnown = origin === "configured" || isIP(endpoint.sni) === 0;
  return ({ id }) => isNameKnown || id !== "names";
}

function forbidden(addresses: readonly string[], allowed: readonly string[]): WatchLook["problem"] {
  const refused = addresses.filter((address) => !allowed.includes(address)).join(", ");
  const message = `${refused} is in a private or link-local network, which is not dialled unless \`discovery.allow\` names it`;
  return { code: "verify.forbidden", message };
}
