import type { Secret as SecretType } from "../../../../src/domain/secret.ts";
import { Secret } from "../../../../src/domain/secret.ts";
import type { SecretReference } from "../../../../src/domain/secretReference.ts";
import type { DnsProvider, DnsProviderKind, Zone } from "../../../../src/solvers/dns/provider.ts";
import { type DnsFake, TOKEN, ZONE } from "../../../support/fakes/dns/world.ts";

/** A provider kind without its option type, as a registry holds it. */
export interface AnyKind {
  readonly type: string;
  readonly docs: string;
  make(written: Readonly<Record<string, unknown>>, secrets: Readonly<Record<string, string>>): ProviderUnderTest;
}

export interface ProviderUnderTest {
  readonly provider: DnsProvider;
  /** Turns that were taken: one before each request. */
  readonly turns: () => number;
}

export function anyKind<Options>(kind: DnsProviderKind<Options>): AnyKind {
  return {
    type: kind.type,
    docs: kind.docs,
    make(written, secrets) {
      let turns = 0;
      const provider = kind.create(kind.options.parse(written), {
        solver: "mine",
        secret: async ({ at }: SecretReference): Promise<SecretType> => new Secret(secrets[at] ?? "no such secret"),
        turn: async (signal) => {
          signal.throwIfAborted();
          turns += 1;
        },
        now: Date.now,
      });
      return { provider, turns: () => turns };
    },
  };
}

/** The options of each kind, as configuration writes them. */
export const WRITTEN: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  default: { token: "env:T" },
  ionos: { key: "env:T" },
  scaleway: { key: "env:T" },
  powerdns: { key: "env:T" },
  ns1: { key: "env:T" },
  porkbun: { key: "env:K", secretKey: "env:T" },
  godaddy: { key: "env:K", secretKey: "env:T" },
  ovh: { applicationKey: "env:A", applicationSecret: "env:T", consumerKey: "env:C" },
  akamai: { clientToken: "env:CT", clientSecret: "env:T", accessToken: "env:AT" },
  inwx: { user: "admin", password: "env:T" },
  netcup: { customer: 12_345, key: "env:K", password: "env:T" },
  namecheap: { user: "admin", key: "env:T", clientIp: "192.0.2.10" },
};

const secretsWith = (T: string) => ({ T, K: "pk1", A: "ak", C: "ck", CT: "ct", AT: "at" });

/** Options and secrets of a kind whose API is the fake at `origin`. */
export function writtenFor(type: string, origin: string, token = TOKEN) {
  const query = type === "netcup" ? "/?JSON" : "";
  const written = { ...(WRITTEN[type] ?? WRITTEN.default), endpoint: `${origin}${query}` };
  const secrets: Readonly<Record<string, string>> = secretsWith(token);
  return { written, secrets };
}

export function against(kind: AnyKind, { origin }: Pick<DnsFake, "origin">, token = TOKEN): ProviderUnderTest {
  const { written, secrets } = writtenFor(kind.type, origin, token);
  return kind.make(written, secrets);
}

export async function zoneOf(provider: DnsProvider, signal: AbortSignal, name = ZONE): Promise<Zone> {
  const zones = await provider.zones(`_acme-challenge.www.${name}`, signal);
  const zone = zones.find((one) => one.name === name);
  if (zone === undefined) throw new Error(`no zone ${name} in ${JSON.stringify(zones)}`);
  return zone;
}

/** As the engine adds a value: read-modify-write, or one record. */
export async function addValue(
  { txt }: DnsProvider,
  zone: Zone,
  name: string,
  value: string,
  signal: AbortSignal,
): Promise<string | null> {
  const place = { name, ttlS: 3600 };
  if (txt.model === "record") return txt.create(zone, place, value, signal);
  if (txt.model === "rrset") {
    const before = await txt.read(zone, name, signal);
    return txt.replace(zone, place, { before, values: [...before.values, value] }, signal);
  }
  const rows = await txt.readZone(zone, signal);
  return txt.writeZone(zone, [...rows, { name, type: "TXT", value, ttlS: 3600, rest: null }], signal);
}

export async function removeValue(
  { txt }: DnsProvider,
  zone: Zone,
  name: string,
  { value, id }: { readonly value: string; readonly id: string | null },
  signal: AbortSignal,
): Promise<void> {
  const place = { name, ttlS: 3600 };
  if (txt.model === "record") {
    if (txt.list === undefined) return txt.remove(zone, place, { id, value }, signal);
    const there = await txt.list(zone, name, signal);
    for (const record of there.filter((one) => one.value === value)) await txt.remove(zone, place, record, signal);
    return;
  }
  if (txt.model === "rrset") {
    const before = await txt.read(zone, name, signal);
    await txt.replace(zone, place, { before, values: before.values.filter((one) => one !== value) }, signal);
    return;
  }
  const rows = await txt.readZone(zone, signal);
  const left = rows.filter((row) => !(row.type === "TXT" && row.name === name && row.value === value));
  await txt.writeZone(zone, left, signal);
}

export async function listed({ txt }: DnsProvider, zone: Zone, name: string, signal: AbortSignal): Promise<string[]> {
  if (txt.model === "record") return ((await txt.list?.(zone, name, signal)) ?? []).map(({ value }) => value).sort();
  if (txt.model === "rrset") return [...(await txt.read(zone, name, signal)).values].sort();
  const rows = await txt.readZone(zone, signal);
  return rows.flatMap((row) => (row.type === "TXT" && row.name === name ? [row.value] : [])).sort();
}
