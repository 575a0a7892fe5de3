import type { Certificate } from "../domain/certificate.ts";
import { RenewalError } from "../domain/errors.ts";
import type { EventDetail } from "../domain/event.ts";
import type { Renewal } from "../domain/renewal.ts";
import type { Responsibility } from "../domain/responsibility.ts";
import type { Store } from "../domain/store.ts";
import { eventError, eventSentence } from "./eventSentence.ts";
import { type HistoryEntry, historyEntry } from "./history.ts";
import { iso } from "./instant.ts";

/** `renewd show --json`. */
export interface ShowReport {
  readonly version: 1;
  readonly at: string;
  readonly renewal: HistoryEntry;
  /** Of its certificate; null: it left the configuration. */
  readonly responsibility: Responsibility | null;
  readonly events: readonly ShownEvent[];
}

export interface ShownEvent {
  readonly at: string;
  /** Since the event before. */
  readonly elapsedMs: number;
  readonly type: string;
  readonly target: string | null;
  readonly worker: string;
  readonly what: string;
  readonly error: { readonly code: string; readonly action: string | null } | null;
  readonly detail: EventDetail;
}

const EVENTS_MAX = 2_000;
/** Prefixes are looked for among this many newest renewals; a whole id finds any. */
const PREFIX_SEARCH_MAX = 10_000;
const CANDIDATES_MAX = 5;

/** `configured`: certificates, which the database may not know yet. */
export async function showReport(
  store: Store,
  id: string,
  configured: readonly Pick<Certificate, "name" | "responsibility">[],
  now: number,
): Promise<ShowReport> {
  const names = configured.map(({ name }) => name);
  const renewal = await findRenewal(store, id, names);
  const events = await store.events.list({ renewalId: renewal.id, limit: EVENTS_MAX });
  return {
    version: 1,
    at: iso(now),
    renewal: await historyEntry(store, renewal, now),
    responsibility: configured.find(({ name }) => name === renewal.certificate)?.responsibility ?? null,
    events: events.map((event, index) => ({
      at: iso(event.at),
      elapsedMs: event.at - (events[index - 1]?.at ?? event.at),
      type: event.type,
      target: event.target,
      worker: event.worker,
      what: eventSentence(event),
      error: eventError(event),
      detail: event.detail,
    })),
  };
}

/** By id, by a certificate's name, or by the beginning of an id where only one begins so. */
async function findRenewal(store: Store, id: string, configured: readonly string[]): Promise<Renewal> {
  if (id.trim() === "")
    throw new RenewalError("request.invalid", "renewal: give its id, the beginning of it, or a certificate's name");
  const exact = await store.renewals.get(id);
  if (exact !== null) return exact;
  const [latest] = await store.renewals.list({ certificate: id, limit: 1 });
  if (latest !== undefined) return latest;
  if (configured.includes(id) || (await store.certificates.get(id)) !== null)
    throw new RenewalError(
      "request.invalid",
      `renewal: certificate "${id.slice(0, 80)}" has had none yet; see \`renewd plan\` and \`renewd history\``,
    );
  const recent = await store.renewals.list({ limit: PREFIX_SEARCH_MAX });
  const [match, ...others] = recent.filter((renewal) => renewal.id.startsWith(id));
  const shortId = `"${id.slice(0, 80)}"`;
  if (match === undefined)
    throw new RenewalError(
      "request.invalid",
      `renewal: no renewal's id begins with ${shortId}, and no certificate has that name; see \`renewd history\``,
    );
  if (others.length === 0) return match;
  const candidates = [match, ...others]
    .slice(0, CANDIDATES_MAX)
    .map((renewal) => `${renewal.id} (${renewal.certificate})`);
  throw new RenewalError(
    "request.invalid",
    `renewal: ${others.length + 1} renewals' ids begin with ${shortId}: ${candidates.join(", ")}`,
  );
}
