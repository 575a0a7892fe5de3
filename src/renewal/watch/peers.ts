import { toRenewalError } from "../../domain/errors.ts";
import type { Peer, PeerSource } from "../../domain/peer.ts";
import type { Context } from "../context.ts";
import { isPeerDue, type PeerOutcome, peerAfter } from "../rules/peers.ts";

/** One question takes no longer. */
const ASK_MAX_MS = 15_000;

type PeerContext = Pick<Context, "store" | "services" | "log"> & { readonly clock: Pick<Context["clock"], "now"> };

/** Asks every other renewd whose turn it is, all at once. Returns how many were asked. */
export async function watchPeers(context: PeerContext, signal: AbortSignal): Promise<number> {
  const { store, services, clock } = context;
  const sources = services.peers?.() ?? [];
  const listed = await store.peers.list();
  const known = new Map(listed.map((peer) => [peer.name, peer]));
  const names = new Set(sources.map(({ name }) => name));
  if (listed.some(({ name }) => !names.has(name))) await store.peers.keep([...names]);
  const due = sources.filter((source) => isPeerDue(source, known.get(source.name) ?? null, clock.now()));
  await Promise.all(due.map((source) => askOne(context, source, known.get(source.name) ?? null, signal)));
  return due.length;
}

async function askOne(
  { store, clock, log }: PeerContext,
  source: PeerSource,
  before: Peer | null,
  signal: AbortSignal,
): Promise<void> {
  const outcome = await ask(source, signal);
  const now = clock.now();
  const peer = peerAfter(before, source, outcome, now);
  const { name, state, problem } = peer;
  const isChange = state !== (before?.state ?? "well");
  await store.transaction(async (tx) => {
    await tx.peers.save(peer);
    if (!isChange) return;
    const about = { certificate: null, renewalId: null, target: null };
    await tx.events.append({ at: now, type: "peer.changed", ...about, detail: { peer: name, state, problem } });
  });
  if (isChange) log.warn({ peer: name, state, problem }, "a peer's state has changed");
}

async function ask(source: PeerSource, signal: AbortSignal): Promise<PeerOutcome> {
  try {
    return { answer: await source.ask(AbortSignal.any([signal, AbortSignal.timeout(ASK_MAX_MS)])) };
  } catch (thrown) {
    signal.throwIfAborted();
    return { problem: toRenewalError(thrown).message };
  }
}
