import type { DnsProvider, TxtPlace, TxtRecord, Zone, ZoneRow } from "./provider.ts";

/**
 * One value more, or one less, at one name. Everything else there stays. Both are idempotent, and the caller holds the
 * lock of the name: rrsets and whole zones are read, changed and written back.
 */

/** Returns the provider's id of the record or of the change; null: it has none. */
export async function addValue(
  { txt }: DnsProvider,
  zone: Zone,
  place: TxtPlace,
  value: string,
  signal: AbortSignal,
): Promise<string | null> {
  switch (txt.model) {
    case "record": {
      // After a crash the value may be there: a second one would never be removed.
      const listed = (await txt.list?.(zone, place.name, signal)) ?? [];
      const there = listed.find((record) => record.value === value);
      return there === undefined ? txt.create(zone, place, value, signal) : there.id;
    }
    case "rrset": {
      const before = await txt.read(zone, place.name, signal);
      if (before.values.includes(value)) return null;
      return txt.replace(zone, place, { before, values: [...before.values, value] }, signal);
    }
    default: {
      const rows = await txt.readZone(zone, signal);
      if (rows.some((row) => isValue(row, place.name, value))) return null;
      const row: ZoneRow = { name: place.name, type: "TXT", value, ttlS: place.ttlS, rest: null };
      return txt.writeZone(zone, [...rows, row], signal);
    }
  }
}

/** `providerId` is what `addValue` returned, where that is known. */
export async function removeValue(
  { txt }: DnsProvider,
  zone: Zone,
  place: TxtPlace,
  { value, id }: TxtRecord,
  signal: AbortSignal,
): Promise<void> {
  switch (txt.model) {
    case "record": {
      if (txt.list === undefined) return txt.remove(zone, place, { id, value }, signal);
      // By value, not by the stored id alone: an id that means something else by now must not be removed.
      const listed = await txt.list(zone, place.name, signal);
      for (const record of listed.filter((each) => each.value === value)) await txt.remove(zone, place, record, signal);
      return;
    }
    case "rrset": {
      const before = await txt.read(zone, place.name, signal);
      const values = before.values.filter((each) => each !== value);
      if (values.length === before.values.length) return;
      await txt.replace(zone, { ...place, ttlS: before.ttlS ?? place.ttlS }, { before, values }, signal);
      return;
    }
    default: {
      const rows = await txt.readZone(zone, signal);
      const kept = rows.filter((row) => !isValue(row, place.name, value));
      if (kept.length < rows.length) await txt.writeZone(zone, kept, signal);
    }
  }
}

/** Every TXT value at the name; null: the provider cannot list. */
export async function listValues(
  { txt }: DnsProvider,
  zone: Zone,
  name: string,
  signal: AbortSignal,
): Promise<readonly string[] | null> {
  switch (txt.model) {
    case "record":
      return txt.list === undefined ? null : (await txt.list(zone, name, signal)).map(({ value }) => value);
    case "rrset":
      return (await txt.read(zone, name, signal)).values;
    default:
      return (await txt.readZone(zone, signal)).filter((row) => isTxt(row, name)).map(({ value }) => value);
  }
}

function isTxt(row: ZoneRow, name: string): boolean {
  return row.type === "TXT" && row.name.toLowerCase() === name;
}

function isValue(row: ZoneRow, name: string, value: string): boolean {
  return isTxt(row, name) && row.value === value;
}
