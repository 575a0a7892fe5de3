import type { HistoryEvent } from "../domain/event.ts";
import { DAY_MS } from "../domain/time.ts";

export const STRIP_DAYS = 90;

/** One day of an endpoint: what handshakes showed; `nothing`: nothing was recorded, which proves nothing. */
export type ProofDay = "proved" | "stale" | "nothing";

/** By endpoint, oldest day first, the last one is today. One wrong answer makes the day red, whatever came after. */
export function proofStrips(events: readonly HistoryEvent[], now: number): ReadonlyMap<string, readonly ProofDay[]> {
  const today = Math.floor(now / DAY_MS);
  const strips = new Map<string, ProofDay[]>();
  for (const { at, type, detail } of events) {
    const { endpoint } = detail;
    const day = STRIP_DAYS - 1 - (today - Math.floor(at / DAY_MS));
    if (typeof endpoint !== "string" || day < 0 || day >= STRIP_DAYS) continue;
    const strip = strips.get(endpoint) ?? Array.from({ length: STRIP_DAYS }, (): ProofDay => "nothing");
    strips.set(endpoint, strip);
    if (type === "verify.stale") strip[day] = "stale";
    else if (type === "verify.converged" && strip[day] === "nothing") strip[day] = "proved";
  }
  return strips;
}
