import { toRenewalError } from "../../domain/errors.ts";
import { MINUTE_MS } from "../../domain/time.ts";
import type { WebContext } from "../context.ts";

/** However often somebody guesses, the history grows by one event in this time. */
const APART_MS = 10 * MINUTE_MS;

interface Refused {
  recordedAt: number;
  /** Since then. */
  more: number;
}

const known = new WeakMap<WebContext, Map<string, Refused>>();

/** Somebody was not let in. The first is recorded at once, the others with the next one that is. */
export async function recordRefusal(web: WebContext, why: keyof typeof WORDS): Promise<void> {
  const { store, clock, log } = web.renewal;
  const refusals = known.get(web) ?? new Map<string, Refused>();
  known.set(web, refusals);
  const last = refusals.get(why);
  const now = clock.now();
  if (last !== undefined && now - last.recordedAt < APART_MS && now >= last.recordedAt) {
    last.more += 1;
    return;
  }
  refusals.set(why, { recordedAt: now, more: 0 });
  const detail = { why: WORDS[why], refusals: (last?.more ?? 0) + 1 };
  const event = { at: now, type: "access.refused", certificate: null, renewalId: null, target: null, detail } as const;
  // Who is not let in must not learn that the database is away.
  await store.events
    .append(event)
    .catch((thrown: unknown) => log.error({ err: toRenewalError(thrown) }, "refused sign-in not recorded"));
}

const WORDS = {
  link: "a sign-in link that is not known, was used already or has expired",
  token: "a token that is not valid",
  httpreq: "an httpreq client whose name or password is not valid",
} as const;
