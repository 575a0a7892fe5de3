import { HttpProblem } from "./problem.ts";

/** Readers that are answered at a time: while one waits for the database another may have the processor. */
const INSIDE_MAX = 2;
const WAITING_MAX = 50;
const WAIT_MAX_MS = 3_000;
const RETRY_AFTER_S = 3;
/** Of the time of the thread. It also renews, deploys and verifies. */
const SHARE_MAX = 0.3;
/** What readers may take at once after they have asked for nothing: some dozen pages. */
const BURST_MS = 1_000;
/** A whole document costs more than a burst; those who come after it do not pay for all of it. */
const DEBT_MAX_MS = 500;

export interface ReaderGate {
  /** Resolves when it is this reader's turn; call the result when the answer is made. Throws 503 with `Retry-After`. */
  enter(signal: AbortSignal): Promise<() => void>;
  /** Whether so many wait that the next reader is turned away. */
  isFull(): boolean;
}

export interface GateOptions {
  /** Time of the clock and of the thread's processor, ms. */
  readonly now?: () => number;
  readonly cpu?: () => number;
  readonly shareMax?: number;
}

interface Waiting {
  readonly admit: () => void;
}

/**
 * Readers may wait, renewals may not. Pages, lists and files together get a share of the thread's time. What else the
 * thread does while a reader is inside counts as the reader's: the busier renewals keep it, the less readers get.
 */
export function createReaderGate({
  now = clockMs,
  cpu = threadMs,
  shareMax = SHARE_MAX,
}: GateOptions = {}): ReaderGate {
  const waiting: Waiting[] = [];
  let inside = 0;
  let credit = BURST_MS;
  let at = now();
  let cpuAt = cpu();
  let timer: NodeJS.Timeout | null = null;

  const settle = (): void => {
    const [nowAt, nowCpu] = [now(), cpu()];
    const earned = (nowAt - at) * shareMax;
    const spent = inside > 0 ? nowCpu - cpuAt : 0;
    credit = Math.max(-DEBT_MAX_MS, Math.min(BURST_MS, credit + earned - spent));
    [at, cpuAt] = [nowAt, nowCpu];
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
      Math.ceil(-credit / shareMax) + 1,
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

function threadMs(): number {
  const { user, system } = process.threadCpuUsage();
  return (user + system) / 1_000;
}
