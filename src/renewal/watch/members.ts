import type { Endpoint, Observation } from "../../domain/endpoint.ts";
import { placeKey } from "../../domain/served.ts";
import type { Store } from "../../domain/store.ts";
import type { WatchedAddress } from "../../domain/watched.ts";
import { newestOf } from "../rules/watched.ts";

/** Connections to one address at the same time. More would look like an attack to servers that limit connections. */
const PARALLEL_MAX = 4;
/** Groups without any answer after which the rest of a look is left out: each takes as long as a handshake may. */
const SILENT_GROUPS_MAX = 1;
/** Of changes at an address that show which certificates it served before. */
const EARLIER_MAX = 20;

/** Connections of one look at one address, the first among them. */
export interface Asking {
  /** While nothing changes. */
  readonly usual: number;
  /** After the address answered otherwise than at the last look, or in several ways then. */
  readonly changed: number;
}

interface Address {
  readonly seen: Observation;
  /** Leaves that it served at the last look; empty: nobody has looked yet, or none was served. */
  readonly known: ReadonlySet<string>;
  readonly ask: () => Promise<Observation>;
}

/**
 * An address may stand for several servers, of which each connection meets one. So a look asks it more than once, and
 * most often just after a change, when a member may have been forgotten. Returns what only others answered, each once.
 */
export async function askMembers({ seen, known, ask }: Address, { usual, changed }: Asking): Promise<Observation[]> {
  if (seen.served === null) return [];
  const first = seen.served.fingerprint;
  const isChanged = known.size > 0 && [...known].some((each) => each !== first);
  const others = new Map<string, Observation>();
  let [asked, silent] = [1, 0];
  const wanted = (): number => (others.size > 0 || !isChanged ? usual : Math.max(usual, changed));
  while (asked < wanted() && silent < SILENT_GROUPS_MAX) {
    const size = Math.min(PARALLEL_MAX, wanted() - asked);
    const group = await Promise.all(Array.from({ length: size }, ask));
    asked += size;
    silent = group.some(({ served }) => served !== null) ? 0 : silent + 1;
    for (const each of group)
      if (each.served !== null && each.served.fingerprint !== first) others.set(each.served.fingerprint, each);
  }
  return [...others.values()];
}

/** Leaves that the address served, among what was seen before. */
export function leavesAt(before: readonly Observation[], address: string): ReadonlySet<string> {
  return new Set(
    before.flatMap((last) => (last.address === address && last.served !== null ? [last.served.fingerprint] : [])),
  );
}

/** Leaves that the newest one's address served before. Asked only where addresses differ. */
export async function servedEarlier(
  store: Pick<Store, "served">,
  { port, sni }: Pick<Endpoint, "port" | "sni">,
  addresses: readonly WatchedAddress[],
): Promise<ReadonlySet<string>> {
  const newest = newestOf(addresses);
  if (newest === null) return new Set();
  const place = placeKey({ address: newest.address, port, sni });
  const changes = await store.served.changes(place, { limit: EARLIER_MAX });
  return new Set(changes.flatMap(({ leaf }) => (leaf === null || leaf === newest.served.fingerprint ? [] : [leaf])));
}
