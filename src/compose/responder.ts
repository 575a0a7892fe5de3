import type { Certificate } from "../domain/certificate.ts";
import { toRenewalError } from "../domain/errors.ts";
import type { NamedSolver, ResponderName } from "../domain/issuer.ts";
import { solversFor } from "../domain/solverChoice.ts";
import type { Store } from "../domain/store.ts";
import type { Context } from "../renewal/context.ts";
import { startHttp01Responder } from "../web/http01.ts";
import type { Listener, ListeningAddress } from "../web/listen.ts";
import { startTlsAlpn01Responder } from "../web/tlsAlpn01.ts";
import type { ProblemNote } from "./beats.ts";
import { withHolder } from "./portHolder.ts";
import { recentAnswers } from "./recentAnswers.ts";

export type { ListeningAddress } from "../web/listen.ts";

const RETRY_MS = 10_000;

/** A responder of this process. */
export interface Responder {
  /** Listens at another address, or no more; if it cannot, it goes on where it is, and throws. */
  move(to: ListeningAddress | null): Promise<void>;
  close(): Promise<void>;
}

export interface ResponderOptions {
  /** null: no solver needs it. */
  readonly at: ListeningAddress | null;
  /** Called once, as soon as it listens or is not needed: no order that it answers for may come before. */
  readonly onReady: () => void;
  /** What keeps it from listening; null: nothing any more. */
  readonly note: (problem: ProblemNote | null) => void;
}

export function addressesOf(at: ListeningAddress | null): ListeningAddress[] {
  return at === null ? [] : [at];
}

/** The responders that an order is answered through, for one of its names at least. */
export function neededResponders(
  { identifiers }: Pick<Certificate, "identifiers">,
  solvers: readonly NamedSolver[],
): ReadonlySet<ResponderName> {
  const needed = identifiers.map((name) => solversFor(solvers, name)[0]?.solver.needsResponder);
  return new Set(needed.filter((name) => name !== undefined));
}

type ResponderContext = Pick<Context, "log" | "clock"> & { readonly store: Pick<Store, "challenges"> };

/** `identity`: of this installation; see `Http01ResponderOptions`. */
export function startResponder(
  { store, log, clock }: ResponderContext,
  { identity, ...options }: ResponderOptions & { readonly identity?: string },
): Promise<Responder> {
  const challenges = recentAnswers(store.challenges);
  return keepListening({ log, clock }, options, {
    name: "http-01 responder",
    code: "http01.address",
    listen: (at) => startHttp01Responder({ ...at, challenges, log, ...(identity !== undefined && { identity }) }),
  });
}

export function startTlsAlpnResponder(
  { store, log, clock }: ResponderContext,
  { identity, ...options }: ResponderOptions & { readonly identity?: string },
): Promise<Responder> {
  const { challenges } = store;
  return keepListening({ log, clock }, options, {
    name: "tls-alpn-01 responder",
    code: "tlsAlpn01.address",
    listen: (at) =>
      startTlsAlpn01Responder({
        ...at,
        challenges,
        log,
        now: clock.now,
        ...(identity !== undefined && { identity }),
      }),
  });
}

interface ResponderKind {
  readonly name: string;
  /** What `listen` throws when it cannot. */
  readonly code: string;
  listen(at: ListeningAddress): Promise<Listener>;
}

/**
 * Starts to listen. What is in the way is often removed without renewd: it is reported, and tried again until it works,
 * while the other roles of the process run.
 */
async function keepListening(
  { log, clock }: Pick<Context, "log" | "clock">,
  { at, onReady, note }: ResponderOptions,
  kind: ResponderKind,
): Promise<Responder> {
  const stopped = new AbortController();
  let wanted = at;
  let current: ListeningAddress | null = null;
  let responder: Listener | null = null;
  let isReady = false;
  /** Logged once: it is tried again every few seconds. */
  let reported: string | null = null;
  const ready = (): void => {
    note(null);
    if (!isReady) onReady();
    isReady = true;
  };
  const switchTo = async (to: ListeningAddress | null): Promise<void> => {
    const before = responder;
    // The old one goes on until the new one listens: both may share a port, and no CA is left without an answer.
    responder = to === null ? null : await kind.listen(to);
    current = to;
    if (to !== null) log.info({ host: to.host, port: responder?.port }, `${kind.name} listening`);
    await before?.close();
  };
  const tryToListen = async (): Promise<boolean> => {
    try {
      await switchTo(wanted);
      ready();
      return true;
    } catch (thrown) {
      const error = toRenewalError(thrown);
      if (error.code !== kind.code) throw thrown;
      const { message, facts } = await withHolder(error, wanted?.port ?? 0);
      if (message !== reported) log.error({ action: facts.action }, message);
      reported = message;
      note({ message, action: facts.action });
      return false;
    }
  };
  const retry = async (): Promise<void> => {
    while (!stopped.signal.aborted) {
      await clock.sleep(RETRY_MS, stopped.signal);
      if (isReady || (await tryToListen())) return;
    }
  };
  let retrying = Promise.resolve();
  if (!(await tryToListen()))
    retrying = retry().catch((thrown: unknown) => {
      if (!stopped.signal.aborted) log.error({ err: toRenewalError(thrown) }, `${kind.name} not started`);
    });
  return {
    async move(to) {
      if (to?.host === current?.host && to?.port === current?.port && isReady) return;
      wanted = to;
      await switchTo(to);
      ready();
    },
    async close() {
      stopped.abort();
      await retrying;
      await responder?.close();
    },
  };
}
