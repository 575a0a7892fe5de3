import type { Thresholds } from "../../domain/alertSettings.ts";
import type { HorizonEntry } from "../../domain/horizon.ts";
import { DAY_MS, formatDuration, formatInstant } from "../../domain/time.ts";
import { type Fault, NOWHERE } from "./alerts/faults.ts";
import { crossed } from "./alerts/thresholds.ts";

/** The life of what does not say when it began: registrations and tokens are mostly made for a year. */
const LIFE_MS = 365 * DAY_MS;
/** Nothing is attempted for it. */
const ATTEMPTS = 99;

/** How much of its life is left, 0 to 1; null: it has no end. */
export function horizonLeft({ ends, begins }: Pick<HorizonEntry, "ends" | "begins">, now: number): number | null {
  if (ends === null) return null;
  const lifeMs = begins === null ? LIFE_MS : Math.max(1, ends - begins);
  return Math.min(1, Math.max(0, (ends - now) / lifeMs));
}

/** What people are notified of, by fractions of its own life as certificates are. null: there is time. Pure. */
export function horizonFault(
  entry: HorizonEntry,
  { lifeLeft }: Pick<Thresholds, "lifeLeft">,
  now: number,
): Fault | null {
  const { subject, what, ends, note, owner, runbook } = entry;
  const left = { life: horizonLeft(entry, now), attempts: ATTEMPTS, expiresAt: ends };
  const { level, isLast } = crossed(left, { lifeLeft, attemptsLeft: [] }, now);
  if (level === 0 || ends === null) return null;
  const when = ends <= now ? "has ended" : `ends in ${formatDuration(ends - now)}`;
  const facts = [note, owner === null ? null : `owner ${owner}`].filter((each) => each !== null);
  return {
    ...{ rule: "horizon", certificate: null, place: { ...NOWHERE, subject: `${subject}, ${what}` }, code: null },
    severity: isLast ? "page" : "warning",
    what: `${subject}: ${what} ${when} (${[formatInstant(ends), ...facts].join("; ")}); renewals that need it fail then`,
    action: `Renew or replace it before then, and see \`renewd horizon\`${runbook === null ? "" : `; ${runbook}`}.`,
    ...{ level, isLast, expiresAt: ends },
  };
}
