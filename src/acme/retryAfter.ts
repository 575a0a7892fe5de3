/** No limit of a public CA lasts longer than its week; a stranger's header must not silence us for years. */
const RETRY_AFTER_MAX_MS = 7 * 86_400_000;

/** The instant (ms since epoch) a Retry-After header names in seconds or as a date (RFC 9110 §10.2.3); null: none. */
export function retryAtOf(header: string | undefined, now: number): number | null {
  if (header === undefined) return null;
  const at = /^\s*\d+\s*$/.test(header) ? now + Number(header) * 1000 : Date.parse(header);
  if (Number.isNaN(at)) return null;
  return Math.min(Math.max(at, now), now + RETRY_AFTER_MAX_MS);
}
