import type { Uses } from "../domain/applied.ts";
import type { Certificate } from "../domain/certificate.ts";
import { labelTexts } from "../domain/responsibility.ts";
import { usesOf } from "./uses.ts";

/** Which certificates a document is about. */
export interface FleetPage {
  /** Only those whose names come after it; null: from the first. */
  readonly after: string | null;
  readonly limit: number;
  /** Only those that fit. Left out: all. */
  readonly fits?: ((certificate: Certificate) => boolean) | undefined;
  /** Stands in the JSON of each that fits: of a large fleet the others need not be read. */
  readonly holding?: string | undefined;
}

/** A page, sorted by name. */
export interface Paged {
  readonly certificates: readonly Certificate[];
  /** The last one, if others come after it: `after` of the next page. null: there are none. */
  readonly next: string | null;
}

/** `found` is one more than the page holds, if there are others. */
export function pageOf(found: readonly Certificate[], limit: number): Paged {
  const certificates = found.slice(0, limit);
  return { certificates, next: found.length > limit ? (certificates.at(-1)?.name ?? null) : null };
}

/** The certificates of the configuration. Of a large fleet they are read as far as they are asked for. */
export interface ConfiguredFleet {
  readonly count: number;
  /** Of the planner that has applied it, from whose rows it is read; null: it was loaded. */
  readonly release: string | null;
  /** Sorted. */
  names(): Promise<readonly string[]>;
  uses(): Promise<Uses>;
  all(): Promise<readonly Certificate[]>;
  /** Those of these names that there are; at most `NAMES_MAX` names. */
  named(names: readonly string[]): Promise<readonly Certificate[]>;
  page(page: FleetPage): Promise<Paged>;
}

/** Whose certificates are wanted. */
export interface ResponsibilityWish {
  readonly owner?: string | undefined;
  readonly team?: string | undefined;
  /** `key=value` */
  readonly label?: string | undefined;
}

/** undefined: everybody's. */
export function answeredForBy({ owner, team, label }: ResponsibilityWish): FleetPage["fits"] {
  if (owner === undefined && team === undefined && label === undefined) return undefined;
  return ({ responsibility }) =>
    (owner === undefined || responsibility.owner === owner) &&
    (team === undefined || responsibility.team === team) &&
    (label === undefined || labelTexts(responsibility).includes(label));
}

/** See `FleetPage.holding`. */
export function textOf({ owner, team, label = "" }: ResponsibilityWish): string | undefined {
  if (owner !== undefined) return `"owner":${JSON.stringify(owner)}`;
  if (team !== undefined) return `"team":${JSON.stringify(team)}`;
  const [, key, value] = /^([^=]*)=(.*)$/s.exec(label) ?? [];
  return key === undefined ? undefined : `${JSON.stringify(key)}:${JSON.stringify(value)}`;
}

export function loadedFleet(certificates: readonly Certificate[]): ConfiguredFleet {
  return {
    count: certificates.length,
    release: null,
    names: async () => certificates.map(({ name }) => name).sort(),
    uses: async () => usesOf(certificates),
    all: async () => certificates,
    async named(names) {
      const wanted = new Set(names);
      return certificates.filter(({ name }) => wanted.has(name));
    },
    async page({ after, limit, fits = () => true }) {
      const found = certificates.filter((each) => (after === null || each.name > after) && fits(each));
      const sorted = found.toSorted((a, b) => (a.name < b.name ? -1 : 1));
      return pageOf(sorted, limit);
    },
  };
}
