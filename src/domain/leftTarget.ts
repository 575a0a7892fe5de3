import type { DeployReceipt } from "./deployment.ts";

/**
 * A place that still holds what was deployed there, although its target left the configuration or writes elsewhere now.
 */
export interface LeftTarget {
  readonly certificate: string;
  readonly target: string;
  /** The members of its last receipts that name what is left. */
  readonly receipt: DeployReceipt;
  /** ms since epoch. */
  readonly leftAt: number;
}

/** Members of receipts that name the place of the pair, not the pair. Several of a kind are numbered: `keyFile.2`. */
const PLACE = /^(?:keyFile|file|arn|secret|certificate|path|name|id|url|record|archive)(?:\..+)?$/;
/** Places that stay the same from deploy to deploy: another one means that the target writes elsewhere. */
const LASTING: readonly string[] = ["keyFile", "archive", "path", "secret"];

interface Place {
  /** The receipt's member, without its number. */
  readonly kind: string;
  readonly value: string;
}

/**
 * Members that name the files with the private key; none where `file`, which every receipt of files has, is the only
 * one.
 */
export function keyFileMembers(file: string, keyFiles: readonly string[]): DeployReceipt {
  return keyFiles.every((path) => path === file) ? {} : numbered(keyFiles.map((value) => ({ kind: "keyFile", value })));
}

/** Files that hold the private key on the machine of the deployer; none: there are none, or it is another machine. */
export function leftFiles({ receipt }: LeftTarget): readonly string[] {
  if (receipt.host !== undefined) return [];
  return placesIn(receipt).flatMap(({ kind, value }) => (kind === "keyFile" && value.startsWith("/") ? [value] : []));
}

/** Where the pair is, for people; the target's name alone where the receipt does not say. */
export function leftPlaces({ target, receipt }: Pick<LeftTarget, "target" | "receipt">): readonly string[] {
  const named = placesIn(receipt).map((place) => shownPlace(place, receipt));
  return named.length > 0 ? named : [target];
}

/** What the target held before and does not write to any more; null: nothing. */
export function movedFrom(before: DeployReceipt | null, now: DeployReceipt): DeployReceipt | null {
  if (before === null) return null;
  const kept = new Set(placesIn(now).map((place) => shownPlace(place, now)));
  const moved = placesIn(before).filter(
    (place) => LASTING.includes(place.kind) && !kept.has(shownPlace(place, before)),
  );
  return moved.length === 0 ? null : receiptOf(moved, before);
}

/** Both together; one whose files are on another machine replaces the earlier. */
export function joinLeft(earlier: DeployReceipt | undefined, receipt: DeployReceipt): DeployReceipt {
  if (earlier === undefined || earlier.host !== receipt.host) return receiptOf(placesIn(receipt), receipt);
  const places = [...placesIn(earlier), ...placesIn(receipt)];
  const distinct = new Map(places.map((place) => [`${place.kind} ${place.value}`, place]));
  return receiptOf([...distinct.values()], receipt);
}

function placesIn(receipt: DeployReceipt): readonly Place[] {
  const found = Object.entries(receipt).flatMap(([name, value]) =>
    typeof value === "string" && PLACE.test(name) ? [{ kind: name.split(".", 1)[0] ?? name, value }] : [],
  );
  if (found.some(({ kind }) => kind === "keyFile")) return found.filter(({ kind }) => kind !== "file");
  // The only file, so the one with the key.
  return found.map(({ kind, value }) => ({ kind: kind === "file" ? "keyFile" : kind, value }));
}

function shownPlace({ kind, value }: Place, { host }: DeployReceipt): string {
  return kind === "keyFile" && typeof host === "string" ? `${host}:${value}` : value;
}

function receiptOf(places: readonly Place[], { host }: DeployReceipt): DeployReceipt {
  return { ...(host !== undefined && { host }), ...numbered(places) };
}

function numbered(places: readonly Place[]): DeployReceipt {
  const counts = new Map<string, number>();
  return Object.fromEntries(
    places.map(({ kind, value }) => {
      const count = (counts.get(kind) ?? 0) + 1;
      counts.set(kind, count);
      return [count === 1 ? kind : `${kind}.${count}`, value];
    }),
  );
}

/** Places that still hold a pair of a target that left the configuration, or that writes elsewhere now. */
export interface LeftTargetStore {
  list(): Promise<LeftTarget[]>;
  add(left: LeftTarget): Promise<void>;
  remove(left: Pick<LeftTarget, "certificate" | "target">): Promise<void>;
}
