import { randomUUID } from "node:crypto";
import type { DnsRecord, DnsStore } from "../../domain/dnsRecord.ts";
import { RenewalError, toRenewalError } from "../../domain/errors.ts";
import type { ChallengeResponse } from "../../domain/issuer.ts";
import { HOUR_MS, MINUTE_MS, SECOND_MS } from "../../domain/time.ts";
import { addValue, removeValue } from "./change.ts";
import { withLock } from "./lock.ts";
import type { DnsProvider, ProviderTraits, TxtPlace, Zone } from "./provider.ts";

const RECORDS_MAX = 10_000;
/** A record that could not be removed so often no longer keeps others from its place. */
const BLOCKING_ATTEMPTS_MAX = 3;
const BUSY_MS = 15 * SECOND_MS;

export interface Publisher {
  readonly solver: string;
  readonly dns: DnsStore;
  readonly provider: DnsProvider;
  readonly traits: ProviderTraits;
  readonly ttlS: number;
  /** A record that is older is a leftover. */
  readonly lifetimeMs: number;
  now(): number;
}

export interface Publication
  extends Pick<DnsRecord, "identifier" | "name" | "value" | "certificate" | "renewalId" | "client"> {
  readonly zone: Zone;
  /** null: not known. */
  readonly keyAuthorization: string | null;
}

/**
 * Writes the row, then the record: after a crash at any point a row says what may be out there. Throws `dns.busy` when
 * the provider can hold no more at this name, or nothing else at all, just now.
 */
export async function publish(publisher: Publisher, publication: Publication, signal: AbortSignal): Promise<void> {
  const { zone, name, keyAuthorization } = publication;
  if (takesKeyAuthorization(publisher) && keyAuthorization === null)
    throw new RenewalError(
      "dns.refused",
      `Solver "${publisher.solver}" needs the key authorization, which only a client in RAW mode sends.`,
    );
  await alone(publisher, signal, () =>
    withLock(publisher.dns.locks, lockOf(publisher, zone, name), signal, async (bounded) => {
      await assertRoom(publisher, publication);
      const record = await ensureRow(publisher, publication);
      const place = { ...placeOf(publisher, name), keyAuthorization };
      const providerId = await addValue(publisher.provider, zone, place, record.value, bounded);
      await publisher.dns.records.update(record.id, {
        state: "published",
        publishedAt: publisher.now(),
        ...(providerId !== null && { providerId }),
      });
    }),
  );
}

/**
 * Removes the record, then the row. What fails is noted in the row, and a later clean-up tries again. A row that
 * changed since `record` was read is left alone: its order was resumed and needs the value again.
 */
export async function withdraw(publisher: Publisher, record: DnsRecord, signal: AbortSignal): Promise<void> {
  const { dns, provider, now } = publisher;
  const zone = { id: record.zoneId, name: record.zoneName };
  const { name, value, providerId: id } = record;
  try {
    await withLock(dns.locks, lockOf(publisher, zone, name), signal, async (bounded) => {
      if (await isNeededAgain(publisher, record)) return;
      if (!(await isNeededByOther(publisher, record)))
        await removeValue(provider, zone, placeOf(publisher, name), { value, id }, bounded);
      await dns.records.delete(record.id);
    });
  } catch (thrown) {
    if (await isNeededAgain(publisher, record)) return;
    const { code, message, retryAt } = toRenewalError(thrown);
    const attempts = record.attempts + 1;
    const delayMs = Math.min(HOUR_MS, MINUTE_MS * 2 ** Math.min(record.attempts, 10));
    const nextAttemptAt = Math.max(now() + delayMs, retryAt ?? 0);
    await dns.records.update(record.id, {
      ...{ state: "removing", attempts, nextAttemptAt },
      // An interrupted removal says nothing about the provider.
      ...(!signal.aborted && { errorCode: code, errorMessage: message }),
    });
    throw thrown;
  }
}

async function isNeededAgain({ dns }: Publisher, record: DnsRecord): Promise<boolean> {
  const { id, zoneId, zoneName, name, state, expiresAt } = record;
  const current = (await dns.records.at({ zoneId, zoneName }, name)).find((row) => row.id === id);
  return current !== undefined && (current.state !== state || current.expiresAt !== expiresAt);
}

/** The same value, published for another client as well: whoever knows a value from DNS cannot have it removed. */
async function isNeededByOther({ dns }: Publisher, record: DnsRecord): Promise<boolean> {
  const { zoneId, zoneName, name, value, id } = record;
  const there = await dns.records.at({ zoneId, zoneName }, name);
  return there.some((other) => other.id !== id && other.value === value && other.state !== "removing");
}

function takesKeyAuthorization({ provider }: Publisher): boolean {
  return provider.txt.model === "record" && provider.txt.takesKeyAuthorization === true;
}

/** Removes a value that has no row. */
export function removeForeign(
  publisher: Publisher,
  { zone, name, value }: Pick<Publication, "zone" | "name" | "value">,
  signal: AbortSignal,
): Promise<void> {
  return withLock(publisher.dns.locks, lockOf(publisher, zone, name), signal, (bounded) =>
    removeValue(publisher.provider, zone, placeOf(publisher, name), { value, id: null }, bounded),
  );
}

/** A whole zone is written by one at a time; else it is one name. */
function lockOf({ provider, now }: Publisher, zone: Zone, name: string): { readonly key: string; now(): number } {
  const where = provider.txt.model === "wholeZone" ? zone.name : name;
  return { key: `txt ${where} in zone ${zone.id}`, now };
}

function placeOf({ ttlS }: Publisher, name: string): TxtPlace {
  return { name, ttlS };
}

/** For a provider that takes one challenge at a time, nothing is admitted while another is out. */
function alone<T>(publisher: Publisher, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  if (publisher.traits.sequential !== true) return work();
  return withLock(publisher.dns.locks, { key: `solver ${publisher.solver}`, now: publisher.now }, signal, work);
}

async function assertRoom(publisher: Publisher, publication: Publication): Promise<void> {
  const { zone, name, value, identifier, client } = publication;
  const { dns, traits, solver, now } = publisher;
  const isOther = (record: DnsRecord): boolean =>
    record.attempts < BLOCKING_ATTEMPTS_MAX &&
    !(
      record.value === value &&
      record.identifier === identifier &&
      record.client === client &&
      record.solver === solver
    );
  const there = (await dns.records.at({ zoneId: zone.id, zoneName: zone.name }, name)).filter(isOther);
  const busy = (what: string): RenewalError =>
    new RenewalError("dns.busy", `${what}; this one comes next.`, { retryAt: now() + BUSY_MS });
  if (traits.valuesPerName !== undefined && there.length >= traits.valuesPerName)
    throw busy(
      `${name} cannot hold another value (at most ${traits.valuesPerName} at a time), as another order uses it`,
    );
  if (traits.sequential !== true) return;
  const [other] = (await dns.records.list(RECORDS_MAX)).filter((record) => record.solver === solver && isOther(record));
  if (other !== undefined)
    throw busy(`Solver "${solver}" answers one challenge at a time, and ${other.identifier} is being validated`);
}

async function ensureRow(publisher: Publisher, { zone, keyAuthorization, ...answer }: Publication): Promise<DnsRecord> {
  const { dns, solver, lifetimeMs, now } = publisher;
  const { identifier, name, value, client } = answer;
  const found = await dns.records.find({ solver, identifier, value, client });
  if (found !== null && found.name === name && found.zoneId === zone.id) {
    // It may have been on its way out: it is needed again.
    await dns.records.update(found.id, { state: "publishing", expiresAt: now() + lifetimeMs, nextAttemptAt: null });
    return found;
  }
  // The delegation or the configuration has changed: what was published elsewhere is a leftover.
  if (found !== null) await dns.records.update(found.id, { state: "removing", nextAttemptAt: null });
  const record: DnsRecord = {
    id: randomUUID(),
    ...answer,
    ...{ solver, zoneId: zone.id, zoneName: zone.name },
    providerId: takesKeyAuthorization(publisher) ? keyAuthorization : null,
    state: "publishing",
    createdAt: now(),
    publishedAt: null,
    expiresAt: now() + lifetimeMs,
    ...{ attempts: 0, nextAttemptAt: null, errorCode: null, errorMessage: null },
  };
  await dns.records.insert(record);
  return record;
}

export function identifierOf({ identifier }: Pick<ChallengeResponse, "identifier">): string {
  return identifier.value.toLowerCase().replace(/^\*\./, "");
}
