import type { Certificate } from "../domain/certificate.ts";
import { toRenewalError } from "../domain/errors.ts";
import type { NamedSolver } from "../domain/issuer.ts";
import { solversFor } from "../domain/solverChoice.ts";
import type { Store } from "../domain/store.ts";
import type { Context } from "../renewal/context.ts";
import { type Http01Responder, type ListeningAddress, startHttp01Responder } from "../web/http01.ts";
import type { ProblemNote } from "./beats.ts";

export type { ListeningAddress } from "../web/http01.ts";

const RETRY_MS = 10_000;

/** The http-01 responder of this process. */
export interface Responder {
  /** Listens at another address, or no more; if it cannot, it goes on where it is, and throws. */
  move(to: ListeningAddress | null): Promise<void>;
  close(): Promise<void>;
}

export interface ResponderOptions {
  /** Of this installation; see `Http01ResponderOptions`. */
  readonly identity?: string;
  /** null: no solver needs it. */
  readonly at: ListeningAddress | null;
  /** Called once, as soon as it listens or is not needed: no order that it answers for may come before. */
  readonly onReady: () => void;
  /** What keeps it from listening; null: nothing any more. */
  readonly note: (problem: ProblemNote | null) => void;
}

/** Whether an order is answered through the responder, for one of its names at least. */
export function asksResponder(
  { identifiers }: Pick<Certificate, "identifiers">,
  solvers: readonly NamedSolver[],
): boolean {
  return identifiers.some((name) => solversFor(solvers, name)[0]?.solver.needsResponder === true);
}

/**
 * Starts to listen. What is in the way is often removed without renewd: it is reported, and tried again until it works,
 * while the other roles of the process run.
 */
export async function startResponder(
  { store, log, clock }: Pick<Context, "log" | "clock"> & { readonly store: Pick<Store, "challenges"> },
  { at, identity, onReady, note }: ResponderOptions,
): Promise<Responder> {
  const stopped = new AbortController();
  let wanted = at;
  let current: ListeningAddress | null = null;
  let responder: Http01Responder | null = null;
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
    responder =
      to === null
        ? null
        : await startHttp01Responder({
            ...to,
            challenges: store.challenges,
            ...(identity !== undefined && { identity }),
          });
    current = to;
    if (to !== null) log.info({ host: to.host, port: responder?.port }, "http-01 responder listening");
    await before?.close();
  };
  const tryToListen = async (): Promise<boolean> => {
    try {
      await switchTo(wanted);
      ready();
      return true;
    } catch (thrown) {
      const { message, facts, code } = toRenewalError(thrown);
      if (code !== "http01.address") throw thrown;
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
      if (!stopped.signal.aborted) log.error({ err: toRenewalError(thrown) }, "http-01 responder not started");
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
