import { HttpProblem } from "./problem.ts";

/** Readers that are answered at a time: while one waits for the database another may have the processor. */
const INSIDE_MAX = 2;
const WAITING_MAX = 50;
const WAIT_MAX_MS = 3_000;
const RETRY_AFTER_S = 3;
/**
 * Of the time, while the thread has nothing else to do, and while it has its hands full: it also renews and deploys.
 */
const SHARE_IDLE = 0.6;
const SHARE_BUSY = 0.1;
/** How long it is looked at what else the thread does. */
const WINDOW_MS = 250;
/** What readers may take at once after they have asked for nothing: some dozen pages. */
const BURST_MS = 1_000;
/** A whole document costs more than a burst; those who come after it do not pay for all of it. */
const DEBT_MAX_MS = 200;

export interface ReaderGate {
  /** Resolves when it is this reader's turn; call the result when the answer is made. Throws 503 with `Retry-After`. */
  enter(signal: AbortSignal): Promise<() => void>;
  /** Whether so many wait that the next reader is turned away. */
  isFull(): boolean;
}

export interface GateOptions {
  readonly now?: () => number;
  /** For how long the thread was not idle, ms: also while other programs had its processor. */
  readonly activeMs?: () => number;
}

interface Waiting {
  readonly admit: () => void;
}

/**
 * Readers may wait, renewals may not. Pages, lists and files together are under way for a share of the time, which is
 * the smaller the more the thread does while no reader is inside.
 */
export function createReaderGate({ now = clockMs, activeMs = loopMs }: GateOptions = {}): ReaderGate {
  const waiting: Waiting[] = [];
  let inside = 0;
  let credit = BURST_MS;
  let at = now();
  let share = SHARE_IDLE;
  let since = { at, activeMs: activeMs(), insideMs: 0 };
  let insideMs = 0;
  let timer: NodeJS.Timeout | null = null;

  const settle = (): void => {
    const elapsedMs = now() - at;
    at += elapsedMs;
    if (inside > 0) insideMs += elapsedMs;
    const spentMs = inside > 0 ? elapsedMs : 0;
    credit = Math.max(-DEBT_MAX_MS, Math.min(BURST_MS, credit + elapsedMs * share - spentMs));
    const outsideMs = at - since.at - (insideMs - since.insideMs);
    if (at - since.at < WINDOW_MS || outsideMs < 1) return;
    const busyMs = activeMs() - since.activeMs - (insideMs - since.insideMs);
    const idle = 1 - Math.min(1, Math.max(0, busyMs / outsideMs));
    share = Math.max(SHARE_BUSY, SHARE_IDLE * idle);
    since = { at, activeMs: activeMs(), insideMs };
  };
  const admitNext = (): void => {
    settle();
    while (inside < INSIDE_MAX && credit > 0 && waiting.length > 0) {
      inside += 1;
      waiting.shift()?.admit();
    }
    if (waiting.length === 0 || inside > 0 || timer !== null) return;
    timer = setTimeout(
      () => {
        timer = null;
        admitNext();
      },
      Math.ceil(-credit / share) + 1,
    );
  };
  const leave = (): void => {
    settle();
    inside -= 1;
    admitNext();
  };

  return {
    isFull: () => waiting.length >= WAITING_MAX,
    enter(signal) {
      if (waiting.length >= WAITING_MAX) return Promise.reject(tooMany());
      const { promise, resolve, reject } = Promise.withResolvers<() => void>();
      const end = (): void => {
        clearTimeout(overdue);
        signal.removeEventListener("abort", gone);
      };
      const one: Waiting = {
        admit() {
          end();
          let isInside = true;
          resolve(() => {
            if (isInside) leave();
            isInside = false;
          });
        },
      };
      const giveUp = (why: Error): void => {
        end();
        const place = waiting.indexOf(one);
        if (place >= 0) waiting.splice(place, 1);
        reject(why);
      };
      const gone = (): void => giveUp(new HttpProblem(503, "the client has left", { code: "web.unavailable" }));
      const overdue = setTimeout(() => giveUp(tooMany()), WAIT_MAX_MS);
      signal.addEventListener("abort", gone, { once: true });
      waiting.push(one);
      admitNext();
      return promise;
    },
  };
}

/** What a reader is told that had no turn. */
export function tooMany(): HttpProblem {
  return new HttpProblem(503, "more is asked for than renewd answers beside its work", {
    code: "web.unavailable",
    action: `Ask again in ${RETRY_AFTER_S} s, or less often. Renewals go on.`,
    retryAfterS: RETRY_AFTER_S,
  });
}

/** Probes, scrapes, streams, the way in and what people decide never wait behind readers. */
export function isReading(method: string, path: string): boolean {
  return (method === "GET" || method === "HEAD") && !FREE_PATHS.has(path) && !path.startsWith("/assets/");
}

const FREE_PATHS = new Set([
  ...["/healthz", "/readyz", "/metrics", "/sign-in", "/favicon.ico"],
  ...["/live", "/api/v1/events/stream"],
]);

function clockMs(): number {
  return performance.now();
}

function loopMs(): number {
  return performance.eventLoopUtilization().active;
}
