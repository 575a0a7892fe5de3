import { isIP } from "node:net";
import { sanitize } from "../domain/text.ts";

/** Let's Encrypt's validator follows as many; other CAs about as many. */
export const REDIRECTS_MAX = 10;
const STATUSES: readonly number[] = [301, 302, 303, 307, 308];
const SCHEMES: readonly string[] = ["http:", "https:"];
/** "" is the scheme's own. */
const PORTS: readonly string[] = ["", "80", "443"];

export function isRedirect(status: number): boolean {
  return STATUSES.includes(status);
}

/**
 * Where a CA goes next (RFC 8555 §8.3), or why it does not: publicly trusted CAs follow redirects to http and https, on
 * ports 80 and 443, to names only, and never twice to one place.
 */
export function nextHop(
  from: URL,
  location: string | undefined,
  visited: readonly string[],
): { readonly to: URL } | { readonly why: string } {
  if (location === undefined || location === "") return { why: "redirects without saying where to" };
  const shown = sanitize(location, 200);
  const to = URL.parse(location, from.href);
  if (to === null) return { why: `redirects to "${shown}", which is no URL` };
  if (!SCHEMES.includes(to.protocol)) return { why: `redirects to ${shown}: CAs follow to http and https only` };
  if (!PORTS.includes(to.port)) return { why: `redirects to ${shown}: CAs follow to ports 80 and 443 only` };
  if (isIP(to.hostname.replace(/^\[|\]$/g, "")) !== 0 && to.hostname !== from.hostname)
    return { why: `redirects to ${shown}: CAs follow to names only, not to addresses` };
  if (visited.includes(to.href)) return { why: `redirects in a circle, back to ${shown}` };
  if (visited.length > REDIRECTS_MAX) return { why: `redirects more than ${REDIRECTS_MAX} times` };
  return { to };
}
