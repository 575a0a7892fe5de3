import { createHash, timingSafeEqual } from "node:crypto";
import type { WebAccessStore } from "../../domain/webAccess.ts";

/** `read`: see. `act`: decide, as `renewd` at a terminal does. */
export const PERMISSIONS = ["read", "act"] as const;
export type Permission = (typeof PERMISSIONS)[number];

/** Who asks. */
export interface Actor {
  /** For the history, such as `alice@web-1 in a browser`. */
  readonly name: string;
  readonly by: "session" | "token";
  readonly permissions: ReadonlySet<Permission>;
}

/** What a request brings to say who it is. */
export interface Credentials {
  readonly bearer: string | null;
  /** Of the session's cookie. */
  readonly cookie: string | null;
  /** Who holds the token, as the client says: for the history, and never a permission. */
  readonly onBehalfOf: string | null;
}

export interface Access {
  readonly store: Pick<WebAccessStore, "session">;
  /** The token of `api.token`, as it is now. */
  readonly token: () => Promise<string | null>;
}

const ALL: ReadonlySet<Permission> = new Set(PERMISSIONS);
/** `user@host`, as `renewd` sends it. */
const ON_BEHALF_OF = /^[\p{L}\p{N}._@ -]{1,100}$/u;

/**
 * The one place where a request's actor and permissions are decided. Whoever holds the token, or was signed in by a
 * link that only a reader of the data directory can make, may do everything; users and roles will be decided here too.
 * null: nobody renewd knows.
 */
export async function identify(
  { bearer, cookie, onBehalfOf }: Credentials,
  { store, token }: Access,
  now: number,
): Promise<Actor | null> {
  if (bearer !== null) {
    const known = await token();
    if (known === null || !isSame(bearer, known)) return null;
    const holder = onBehalfOf !== null && ON_BEHALF_OF.test(onBehalfOf) ? onBehalfOf : null;
    return { name: holder === null ? "api.token" : `${holder} with api.token`, by: "token", permissions: ALL };
  }
  const session = cookie === null ? null : await store.session(digestOf(cookie), now);
  return session === null ? null : { name: `${session.actor} in a browser`, by: "session", permissions: ALL };
}

/** How codes, cookies and keys are kept. */
export function digestOf(secret: string): string {
  return createHash("sha256").update(secret).digest("hex");
}

/** In the same time, however much of it is right. */
export function isSame(given: string, known: string): boolean {
  return timingSafeEqual(createHash("sha256").update(given).digest(), createHash("sha256").update(known).digest());
}
