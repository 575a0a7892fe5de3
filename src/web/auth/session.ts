import { randomBytes } from "node:crypto";
import type { Clock } from "../../domain/clock.ts";
import type { Store } from "../../domain/store.ts";
import { DAY_MS, MINUTE_MS } from "../../domain/time.ts";
import { digestOf } from "./actor.ts";

const SECRET_BYTES = 32;
/** A link waits in a terminal; whoever reads over the shoulder comes too late. */
export const LINK_MS = 5 * MINUTE_MS;
export const SESSION_MS = 7 * DAY_MS;
/** The link in a message: what it carries says what it may do. */
export const ACKNOWLEDGE_PATH = "/acknowledge";
export const CALENDAR_FEED_PATH = "/calendar/feed.ics";
export const SIGN_IN_PATH = "/sign-in";

interface SignIn {
  readonly store: Pick<Store, "webAccess">;
  readonly clock: Pick<Clock, "now">;
}

/** A code for one browser, good for minutes and for one use. `actor`: who made it, for the history. */
export async function createCode({ store, clock }: SignIn, actor: string): Promise<string> {
  const code = randomBytes(SECRET_BYTES).toString("base64url");
  const now = clock.now();
  await store.webAccess.add({ digest: digestOf(code), kind: "code", actor, createdAt: now, expiresAt: now + LINK_MS });
  return code;
}

export interface SignedIn {
  readonly cookie: string;
  /** Who made the link. */
  readonly actor: string;
}

/** The cookie's value for a code; null: the code is not known, was used, or has expired. */
export async function redeemCode({ store, clock }: SignIn, code: string): Promise<SignedIn | null> {
  const now = clock.now();
  const grant = await store.webAccess.take(digestOf(code), now);
  if (grant === null) return null;
  const cookie = randomBytes(SECRET_BYTES).toString("base64url");
  const { actor } = grant;
  await store.webAccess.add({
    digest: digestOf(cookie),
    kind: "session",
    actor,
    createdAt: now,
    expiresAt: now + SESSION_MS,
  });
  return { cookie, actor };
}
