import type { SteadyMembers, SteadyStore, StoredPart } from "../domain/steady.ts";
import { byEnd, sumOf } from "./steady.ts";
import type { Rest } from "./summary.ts";

/** Of all parts together. */
export interface SteadyRest extends Omit<Rest, "oldestProofAt"> {
  /** Those of the parts that are not in the sums. */
  readonly others: readonly string[];
}

/** The parts of the fleet that are believed, sorted by name, and which of their certificates are read all the same. */
export class SteadyParts {
  #parts: readonly StoredPart[];
  readonly #aside: Map<StoredPart, Set<string>>;

  constructor(parts: readonly StoredPart[]) {
    this.#parts = apart(parts);
    this.#aside = new Map(this.#parts.map((part) => [part, new Set(part.others)]));
  }

  /** Behind it nobody believes anything; null: there is no part. */
  get firstSeq(): number | null {
    return this.#parts.length === 0 ? null : Math.min(...this.#parts.map(({ seq }) => seq));
  }

  /** Where its name belongs, whether there is such a certificate or not. */
  of(name: string): StoredPart | null {
    const found = this.#parts[lastBelow(this.#parts, name)];
    return found !== undefined && found.after < name && (found.last === null || name <= found.last) ? found : null;
  }

  /** false: it was already, or belongs to no part. */
  setAside(name: string): boolean {
    const part = this.of(name);
    const aside = part && this.#aside.get(part);
    if (!aside || aside.has(name)) return false;
    aside.add(name);
    return true;
  }

  /** Reads the lists of the parts of which something was set aside; a part whose list is gone is no longer believed. */
  async sum(store: Pick<SteadyStore, "members">): Promise<SteadyRest> {
    const asideOf = (part: StoredPart): ReadonlySet<string> => this.#aside.get(part) ?? new Set();
    const isAsked = (part: StoredPart): boolean => asideOf(part).size > part.others.length;
    const lists = await store.members(this.#parts.filter(isAsked));
    this.#parts = this.#parts.filter((part) => !isAsked(part) || lists.has(part.after));
    return total(
      this.#parts.map((part) => {
        const { checkedAt, others, steady } = part;
        const list = isAsked(part) ? lists.get(part.after) : undefined;
        if (list === undefined) return { checkedAt, others, steady };
        const aside = asideOf(part);
        return { checkedAt, others: [...others, ...among(list, aside)], steady: sumOf(list, aside) };
      }),
    );
  }

  /** Those that no part has: between two parts, or such as came when the one it belongs to was read already. */
  async unknownAmong(names: readonly string[], store: Pick<SteadyStore, "members">): Promise<string[]> {
    const lists = await store.members(this.#parts);
    const known = new Set(this.#parts.flatMap(({ others }) => others));
    for (const { provedLive, notProved } of lists.values())
      for (const [name] of [...provedLive, ...notProved]) known.add(name);
    // Where the list is gone nobody knows.
    const isListed = (part: StoredPart | null): boolean => part === null || lists.has(part.after);
    return names.filter((name) => !known.has(name) && isListed(this.of(name)));
  }
}

/**
 * Without those that begin within another, as two planners at once may leave them, or who puts a row back: what counts
 * twice would stand for certificates that no part has.
 */
function apart(parts: readonly StoredPart[]): StoredPart[] {
  const found: StoredPart[] = [];
  for (const part of parts) {
    const before = found.at(-1);
    if (before === undefined || (before.last !== null && before.last <= part.after)) found.push(part);
  }
  return found;
}

type Part = Pick<StoredPart, "checkedAt" | "others" | "steady">;

function total(parts: readonly Part[]): SteadyRest {
  const some = parts.filter(({ steady }) => steady.provedLive + steady.notProved > 0);
  const add = (kind: "provedLive" | "notProved"): number => some.reduce((sum, { steady }) => sum + steady[kind], 0);
  const [soonest] = some.flatMap(({ steady }) => (steady.soonest === null ? [] : [steady.soonest])).sort(byEnd);
  return {
    provedLive: add("provedLive"),
    notProved: add("notProved"),
    nextExpiry: soonest === undefined ? null : { certificate: soonest[0], at: soonest[1] },
    checkedSince: some.length === 0 ? null : Math.min(...some.map(({ checkedAt }) => checkedAt)),
    others: parts.flatMap(({ others }) => others),
  };
}

function among({ provedLive, notProved }: SteadyMembers, names: ReadonlySet<string>): string[] {
  return [...provedLive, ...notProved].flatMap(([name]) => (names.has(name) ? [name] : []));
}

/** Index of the last part that begins before the name; -1: there is none. */
function lastBelow(parts: readonly StoredPart[], name: string): number {
  let [from, to] = [0, parts.length];
  while (from < to) {
    const middle = (from + to) >> 1;
    if ((parts[middle]?.after ?? "") < name) from = middle + 1;
    else to = middle;
  }
  return from - 1;
}
