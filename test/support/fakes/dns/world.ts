// What the contract fakes of DNS APIs share: zones with records, and a server in front of them that knows one vendor's
// addresses, shapes and rules. Each vendor's part is written from its documentation and shares no code with the
// provider.
import { type ApiFake, type ApiReply, type ApiRequest, startApiFake } from "../api.ts";

export interface FakeRecord {
  readonly id: string;
  /** In full, without a final dot. */
  readonly name: string;
  readonly type: string;
  readonly value: string;
  readonly ttl: number;
}

export interface FakeZone {
  readonly id: string;
  readonly name: string;
  records: FakeRecord[];
}

export interface World {
  readonly zones: FakeZone[];
  /** The next number that the vendor gives away. */
  nextId: number;
}

/** What every fake takes as its secret. */
export const TOKEN = "s3cret-Token-of-the-tests";
/** Two pages of zones for those that page by two; the last one is where the tests work. */
export const ZONE = "example.org";

export function newWorld(): World {
  const zones = ["one.example", "two.example", ZONE].map((name, index) => ({
    id: String(101 + index),
    name,
    records: [{ id: String(11 + index), name: `www.${name}`, type: "A", value: "192.0.2.1", ttl: 3600 }],
  }));
  return { zones, nextId: 1_000 };
}

export const values = ({ zones }: World, name: string): string[] =>
  zones
    .flatMap(({ records }) => records)
    .flatMap((one) => (one.type === "TXT" && one.name === name ? [one.value] : []));

export function add({ zones, ...world }: World, zone: FakeZone, record: Omit<FakeRecord, "id">): FakeRecord {
  const all = zones.flatMap(({ records }) => records).map(({ id }) => Number(id));
  const created = { ...record, id: String(Math.max(world.nextId, ...all) + 1) };
  zone.records.push(created);
  return created;
}

/** False: there is none with that id. */
export function drop(zone: FakeZone, id: string): boolean {
  const before = zone.records.length;
  zone.records = zone.records.filter((record) => record.id !== id);
  return zone.records.length < before;
}

export const relative = (name: string, zone: FakeZone, apex: string): string =>
  name === zone.name ? apex : name.slice(0, -zone.name.length - 1);
export const full = (label: string, zone: FakeZone): string =>
  ["", "@", "."].includes(label) ? zone.name : `${label}.${zone.name}`;
export const unquoted = (value: string): string => value.replace(/^"(.*)"$/s, "$1");
export const page = <Item>(items: readonly Item[], number: number, size = 2): Item[] =>
  items.slice((number - 1) * size, number * size);

export interface Dialect {
  /** How the vendor says that the credentials are wrong; null: this request carries the right ones. */
  readonly authorize: (request: ApiRequest) => ApiReply | null;
  /** Undefined: the vendor has no such address. */
  readonly answer: (request: ApiRequest, world: World) => ApiReply | undefined;
}

export interface DnsFake extends ApiFake {
  readonly world: World;
}

export async function startDnsFake({ authorize, answer }: Dialect): Promise<DnsFake> {
  const world = newWorld();
  const fake = await startApiFake((request) => {
    const reply = authorize(request) ?? answer(request, world);
    return reply ?? { status: 500, body: `the vendor documents no ${request.method} ${request.path}` };
  });
  return { ...fake, world };
}

/** The parts of a path, decoded: `/zones/1/x` as ["zones", "1", "x"]. */
export const parts = (path: string): string[] => path.split("/").slice(1).map(decodeURIComponent);

export const json = (request: ApiRequest): Readonly<Record<string, unknown>> => {
  if (!String(request.headers["content-type"]).startsWith("application/json")) throw new Error("the body is not JSON");
  return JSON.parse(request.body);
};
