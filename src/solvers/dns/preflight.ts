import { toRenewalError } from "../../domain/errors.ts";
import type { Identifier } from "../../domain/identifier.ts";
import type { Concern } from "../../domain/issuer.ts";
import { challengeName } from "./challenge.ts";
import { compareDelegation, examineDns } from "./health.ts";
import type { Lookup } from "./lookup.ts";
import type { Pace } from "./pace.ts";
import type { DnsProvider, Zone } from "./provider.ts";

/** What keeps an order from being worth opening: the provider refuses and will refuse again, or cannot be asked. */
const HOPELESS: readonly string[] = [
  "dns.noZone",
  "dns.ambiguousZone",
  "dns.delegation",
  "dns.credentials",
  "dns.badName",
  "config.secret",
];

export interface Examined {
  readonly provider: DnsProvider;
  readonly lookup: Lookup;
  readonly pace: Pace;
  placeOf(identifier: Identifier, signal: AbortSignal): Promise<{ readonly name: string; readonly zone: Zone }>;
}

/** Everything that can be known of a name without publishing anything and without asking the CA. */
export async function examine(
  { provider, lookup, pace, placeOf }: Examined,
  identifier: Identifier,
  signal: AbortSignal,
): Promise<readonly Concern[]> {
  try {
    challengeName({ identifier });
    const { name, zone } = await placeOf(identifier, signal);
    const missing = (await pace.keep(async () => provider.missingRights?.({ name, zone }, signal))) ?? [];
    return [
      ...missing.map((message): Concern => ({ check: "credentials", message, fatal: false })),
      ...(zone.isAssumed === true ? [] : await compareDelegation(lookup, { name, zone }, signal)),
      // Asking for the challenge's own name would leave "no such name" in the resolvers' caches.
      ...(await examineDns(lookup, zone.isAssumed === true ? parentOf(name) : zone.name, signal)),
    ];
  } catch (thrown) {
    signal.throwIfAborted();
    const { code, message } = toRenewalError(thrown);
    return [{ check: code, message, fatal: HOPELESS.includes(code) }];
  }
}

function parentOf(name: string): string {
  return name.slice(name.indexOf(".") + 1);
}
