import { domainToASCII } from "node:url";
import { RenewalError } from "../../domain/errors.ts";
import { sanitize } from "../../domain/text.ts";
import type { Zone } from "./provider.ts";

const SHOWN_MAX = 5;

/** As the engine compares names: A-labels in lower case, no final dot. */
export function plainName(name: string): string {
  const bare = name.trim().replace(/\.$/, "");
  return (domainToASCII(bare) || bare).toLowerCase();
}

export function isWithin(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`);
}

export interface ZoneQuestion {
  /** Of the solver, for people. */
  readonly solver: string;
  /** The TXT name. */
  readonly name: string;
  /** The option `zone`: an id or a name; null: the longest match. */
  readonly wanted: string | null;
}

/** The public zone that holds `name`: the longest match. Two of one name are never guessed between. */
export function chooseZone(found: readonly Zone[], { solver, name, wanted }: ZoneQuestion): Zone {
  const usable = found
    .filter(({ isPrivate }) => isPrivate !== true)
    .map((zone) => ({ ...zone, name: plainName(zone.name) }))
    .filter((zone) => isWithin(name, zone.name));
  const byId = usable.filter(({ id }) => id === wanted);
  const named = wanted === null ? usable : usable.filter((zone) => zone.name === plainName(wanted));
  const candidates = byId.length > 0 ? byId : named;
  const longest = Math.max(0, ...candidates.map((zone) => zone.name.length));
  const [zone, ...others] = candidates.filter((each) => each.name.length === longest);
  if (zone === undefined) throw noZone(found, { solver, name, wanted });
  if (others.length > 0) {
    const ids = [zone, ...others].map(({ id }) => sanitize(id, 60)).join(", ");
    throw new RenewalError(
      "dns.ambiguousZone",
      `Solver "${solver}" has ${others.length + 1} zones called ${zone.name} (${ids}); only one of them is what the ` +
        "public sees.",
    );
  }
  return zone;
}

function noZone(found: readonly Zone[], { solver, name, wanted }: ZoneQuestion): RenewalError {
  const isOnlyPrivate = found.some((zone) => zone.isPrivate === true && isWithin(name, plainName(zone.name)));
  const names = [...new Set(found.map((zone) => sanitize(plainName(zone.name), 253)))];
  const list =
    names.slice(0, SHOWN_MAX).join(", ") + (names.length > SHOWN_MAX ? `, ${names.length - SHOWN_MAX} more` : "");
  const has = isOnlyPrivate ? "only private ones" : list === "" ? "no zone at all" : list;
  const asked = wanted === null ? "" : ` called "${sanitize(wanted, 100)}"`;
  return new RenewalError("dns.noZone", `Solver "${solver}" has no zone${asked} for ${name}; it has ${has}.`);
}

const ADDRESS_TYPES: readonly string[] = ["A", "AAAA", "CNAME"];
const ADDRESS_NAMES_MAX = 20_000;

/** The names among a zone's records that have an address or an alias, each once. */
export function addressNames(records: readonly { readonly name: string; readonly type: string }[]): string[] {
  const found = new Set<string>();
  for (const { name, type } of records) {
    if (ADDRESS_TYPES.includes(type.toUpperCase())) found.add(plainName(name));
    if (found.size >= ADDRESS_NAMES_MAX) break;
  }
  return [...found];
}
