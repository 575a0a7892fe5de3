import type { Endpoint, Observation } from "../../domain/endpoint.ts";
import { placeKey } from "../../domain/served.ts";
import type { Store } from "../../domain/store.ts";
import type { WatchedAddress } from "../../domain/watched.ts";
import { newestOf } from "../rules/watched.ts";

/** Connections to one address at the same time. More would look like an attack to servers that limit connections. */
const PARALLEL_MAX = 4;
/** Groups without any answer after which the rest of a look is left out: each takes as long as a handshake may. */
const SILENT_GROUPS_MAX = 1;
/** Connections of one look for each answer that it wants: a server that limits them is not pressed. */
const ASKED_PER_ANSWER_MAX = 2;
/** Of changes at an address that show which certificates it served before. */
const EARLIER_MAX = 20;

/** Connections of one look at one address, the first among them. */
export interface Asking {
  /** While nothing changes. */
  readonly usual: number;
  /** After the address answered otherwise than at the last look, or in several ways then. */
  readonly changed: number;
  /** Answers after a change, of as many looks as they take, without which the address is not done with. */
  readonly settled: number;
}

interface Address {
  /** The first connection of this look. */
  readonly first: Observation;
  /** The last look, at this and at other addresses; null: nobody has looked yet. */
  readonly last: readonly Observation[] | null;
  readonly ask: () => Promise<Observation>;
}

/**
 * An address may stand for several servers, of which each connection meets one. So a look asks it more than once, and
 * most often just after a change, when a member may have been forgotten. A connection without an answer has met nobody,
 * and after none was answered another certificate may be served: what is `owed` then is asked for at the next look.
 * Returns what it answered, each certificate once, the first one first.
 */
export async function askMembers({ first, last, ask }: Address, asking: Asking): Promise<readonly Observation[]> {
  if (first.served === null) return [{ ...first, owed: asking.settled }];
  const { fingerprint } = first.served;
  const owed = owedBefore(first.address, fingerprint, last, asking);
  const others = new Map<string, Observation>();
  let [asked, answered, silent] = [1, 1, 0];
  const wanted = (): number =>
    others.size > 0 ? asking.usual : Math.max(asking.usual, Math.min(owed, asking.changed));
  const left = (): number => Math.min(wanted() - answered, ASKED_PER_ANSWER_MAX * wanted() - asked);
  while (left() > 0 && silent < SILENT_GROUPS_MAX) {
    const size = Math.min(PARALLEL_MAX, left());
    const group = await Promise.all(Array.from({ length: size }, ask));
    const found = group.flatMap((each) => (each.served === null ? [] : [[each.served.fingerprint, each] as const]));
    asked += size;
    answered += found.length;
    silent = found.length > 0 ? 0 : silent + 1;
    for (const [other, each] of found) if (other !== fingerprint) others.set(other, each);
  }
  // That it serves two certificates is enough for the next look to ask as often.
  const stillOwed = others.size > 0 ? 0 : owed - answered;
  return [stillOwed > 0 ? { ...first, owed: stillOwed } : first, ...others.values()];
}

/** Answers that are missing before this look. A new address of a host that has others is none that changed. */
function owedBefore(address: string, fingerprint: string, last: Address["last"], { settled }: Asking): number {
  if (last === null) return 0;
  if (last.length === 0) return settled;
  const here = last.filter((each) => each.address === address);
  const isChanged = here.some(({ served }) => served !== null && served.fingerprint !== fingerprint);
  return isChanged ? settled : Math.max(0, ...here.map(({ owed }) => owed ?? 0));
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
