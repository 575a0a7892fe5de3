import { domainToASCII } from "node:url";
import { z } from "zod";
import type { CredentialEnd } from "../../../domain/horizon.ts";
import { CLEAR_TEXT_REFUSED, isClearText } from "../../../domain/loopback.ts";
import type { Secret } from "../../../domain/secret.ts";
import type { SecretReference } from "../../../domain/secretReference.ts";
import { DNS_NAME, secretOption } from "../options.ts";
import type {
  DnsProvider,
  DnsProviderKind,
  ProviderDependencies,
  ProviderTraits,
  RecordModel,
  Rrset,
  RrsetModel,
  TxtPlace,
  WholeZoneModel,
  Zone,
} from "../provider.ts";
import { addressNames } from "../zone.ts";
import {
  bodyOf,
  createRestApi,
  exchange,
  type Failure,
  type Page,
  type PageAt,
  type RestApi,
  type RestAuth,
  refusedLogin,
} from "./api.ts";
import type { RestRequest } from "./request.ts";

/** Non-secret options of one provider, as configuration gives them. */
type Values = Readonly<Record<string, unknown>>;
/** Credentials by the name of their option. */
type Credentials<Names extends string> = Readonly<Record<Names, string>>;

/** A TXT record as a list shows it; `name` as the list writes names, see `names`. */
export interface ListedRecord {
  readonly id: string | null;
  readonly name: string;
  readonly value: string;
  /** Left out: the list has TXT records only. */
  readonly type?: string;
}

export interface RecordSpec {
  readonly model: "record";
  /** How the list writes names: relative to the zone (`@` or nothing for the zone itself), or in full. */
  readonly names?: "relative" | "full";
  readonly list?: {
    readonly request: (zone: Zone, name: string, page: PageAt) => RestRequest;
    readonly read: z.ZodType<Page<ListedRecord>>;
  };
  readonly create: {
    readonly request: (zone: Zone, place: TxtPlace, value: string) => RestRequest;
    /** The new record's id in the answer. */
    readonly id: z.ZodType<string | null>;
  };
  readonly remove: (zone: Zone, place: TxtPlace, record: { id: string; value: string }) => RestRequest;
}

export interface RrsetSpec {
  readonly model: "rrset";
  /** 404 means that there is no such set. */
  readonly read: {
    readonly request: (zone: Zone, name: string) => RestRequest;
    readonly read: z.ZodType<Rrset>;
  };
  /** `values` empty: the request that deletes the set; then 404 is success. */
  readonly replace: (
    zone: Zone,
    place: TxtPlace,
    sets: { readonly before: Rrset; readonly values: readonly string[] },
  ) => RestRequest;
}

/** Where data is not enough. */
export interface OwnSpec {
  readonly model: "own";
  readonly txt: (open: OpenApi, values: Values) => RecordModel | RrsetModel | WholeZoneModel;
}

/** Logs in where the provider wants that; each method of a provider opens its own. */
export type OpenApi = (signal: AbortSignal) => Promise<RestApi>;

export interface LoginAnswer {
  readonly body: unknown;
  readonly headers: Headers;
}

interface Described<Names extends string, Shape extends z.ZodRawShape> {
  readonly type: string;
  readonly description: string;
  readonly docs: string;
  /** Credentials: option names and what each is. */
  readonly secrets: Readonly<Record<Names, string>>;
  readonly options?: Shape;
  /** The API's address; null: each installation has its own, and `endpoint` must be given. */
  readonly base: string | null;
  readonly answers?: "json" | "text";
  readonly auth: (credentials: Credentials<Names>, values: Values) => RestAuth;
  /** For APIs with sessions: what the first request gives, in addition to or instead of `auth`. */
  readonly login?: {
    readonly request: (credentials: Credentials<Names>, values: Values) => RestRequest;
    /** Null: the login was refused. */
    readonly read: (answer: LoginAnswer, credentials: Credentials<Names>, values: Values) => RestAuth | null;
  };
  readonly failure: (body: unknown, status: number) => Failure | null;
  /** As data: all zones, whatever the name. */
  readonly zones:
    | { readonly request: (page: PageAt) => RestRequest; readonly read: z.ZodType<Page<Zone>> }
    | ((open: OpenApi, name: string, signal: AbortSignal, values: Values) => Promise<readonly Zone[]>);
  /** Of a function: it returns the same for every name. */
  readonly listsAllZones?: true;
  /** Every record of a zone, for discovery. */
  readonly records?: {
    /** How the list writes names. */
    readonly names: "relative" | "full";
    readonly request: (zone: Zone, page: PageAt) => RestRequest;
    readonly read: z.ZodType<Page<{ readonly name: string; readonly type: string }>>;
  };
  readonly missingRights?: (api: RestApi, zone: Zone | null, signal: AbortSignal) => Promise<readonly string[]>;
  /** When the credentials end, for APIs that tell. */
  readonly credentials?: (api: RestApi, signal: AbortSignal) => Promise<readonly CredentialEnd[]>;
  readonly traits?: ProviderTraits;
}

export type RestSpec<Names extends string, Shape extends z.ZodRawShape> = Described<Names, Shape> &
  (RecordSpec | RrsetSpec | OwnSpec);

export type RestOptions<Names extends string, Shape extends z.ZodRawShape> = Readonly<Record<Names, SecretReference>> &
  z.output<z.ZodObject<Shape>> & { readonly endpoint: string };

/** A provider as data: addresses, shapes of answers, limits. The rest is the same for all. */
export function defineRestProvider<Names extends string, Shape extends z.ZodRawShape = Record<never, never>>(
  spec: RestSpec<Names, Shape>,
): DnsProviderKind<RestOptions<Names, Shape>> {
  return {
    type: spec.type,
    description: spec.description,
    docs: spec.docs,
    options: optionsOf(spec),
    traits: spec.traits ?? {},
    create: (options, dependencies) => createProvider(spec, options, dependencies),
  };
}

function optionsOf<Names extends string, Shape extends z.ZodRawShape>(
  spec: RestSpec<Names, Shape>,
): DnsProviderKind<RestOptions<Names, Shape>>["options"] {
  const url = z.url({ protocol: /^https?$/ }).refine((text) => !isClearText(text), CLEAR_TEXT_REFUSED);
  const endpoint =
    spec.base === null
      ? url.describe("Address of the API.")
      : url.default(spec.base).describe("Another address of the API, such as a proxy's.");
  const secrets = Object.fromEntries(
    Object.entries<string>(spec.secrets).map(([name, text]) => [name, secretOption.describe(text)]),
  );
  // Boundary: the shape is put together from names, so that its type cannot be followed.
  const shape: z.ZodRawShape = { ...secrets, ...spec.options, endpoint };
  return z.strictObject(shape) as DnsProviderKind<RestOptions<Names, Shape>>["options"];
}

function createProvider<Names extends string, Shape extends z.ZodRawShape>(
  spec: RestSpec<Names, Shape>,
  options: RestOptions<Names, Shape>,
  dependencies: ProviderDependencies,
): DnsProvider {
  const values: Values = options;
  const open: OpenApi = (signal) => openApi(spec, options, dependencies, signal);
  const { missingRights, credentials, records } = spec;
  return {
    ...((typeof spec.zones !== "function" || spec.listsAllZones === true) && { listsAllZones: true }),
    async zones(name, signal) {
      const { zones } = spec;
      const found =
        typeof zones === "function"
          ? await zones(open, name, signal, values)
          : await (await open(signal)).pages(zones.request, zones.read, signal);
      return found.flatMap(plainZone);
    },
    txt: txtOf(spec, open, values),
    ...(records !== undefined && {
      async names(zone, signal) {
        const api = await open(signal);
        const all = await api.pages((page) => records.request(zone, page), records.read, signal);
        if (records.names === "full") return addressNames(all);
        return addressNames(all.map(({ name, type }) => ({ type, name: fullName(zone, name) })));
      },
    }),
    ...(missingRights !== undefined && {
      missingRights: async (at, signal) => missingRights(await open(signal), at?.zone ?? null, signal),
    }),
    ...(credentials !== undefined && {
      credentials: async (signal) => credentials(await open(signal), signal),
    }),
  };
}

async function openApi<Names extends string, Shape extends z.ZodRawShape>(
  spec: RestSpec<Names, Shape>,
  options: RestOptions<Names, Shape>,
  { solver, secret, turn, now }: ProviderDependencies,
  signal: AbortSignal,
): Promise<RestApi> {
  const references: Readonly<Record<Names, SecretReference>> = options;
  const read = await Promise.all(
    (Object.keys(spec.secrets) as Names[]).map(async (name) => [name, await secret(references[name])] as const),
  );
  // Boundary: `Object.fromEntries` forgets which names there are.
  const credentials = Object.fromEntries(read.map(([name, one]) => [name, one.reveal()])) as Credentials<Names>;
  const secrets: Secret[] = read.map(([, one]) => one);
  const what = `${spec.type} (solver ${solver})`;
  const settings = { what, base: options.endpoint, secrets, turn, now, answers: spec.answers ?? "json" } as const;
  const { login, failure } = spec;
  let auth = spec.auth(credentials, options);
  if (login !== undefined) {
    const request = login.request(credentials, options);
    const reply = await exchange({ ...settings, auth }, request, signal);
    const session = login.read({ body: bodyOf(settings, reply), headers: reply.headers }, credentials, options);
    if (session === null) throw refusedLogin({ ...settings, auth, failure }, request, reply);
    auth = { ...auth, ...session };
  }
  return createRestApi({ ...settings, auth, failure });
}

function txtOf<Names extends string, Shape extends z.ZodRawShape>(
  spec: RestSpec<Names, Shape>,
  open: OpenApi,
  values: Values,
): RecordModel | RrsetModel | WholeZoneModel {
  if (spec.model === "own") return spec.txt(open, values);
  return spec.model === "record" ? recordModel(spec, open) : rrsetModel(spec, open);
}

function fullName(zone: Zone, relative: string): string {
  return ["", "@", "."].includes(relative) ? zone.name : `${relative}.${zone.name}`;
}

function recordModel({ names = "relative", list, create, remove }: RecordSpec, open: OpenApi): RecordModel {
  const isAt = (zone: Zone, name: string, listed: ListedRecord): boolean => {
    const shown = listed.name.toLowerCase().replace(/\.$/, "");
    const full = names === "full" ? shown : fullName(zone, shown);
    return full === name && (listed.type ?? "TXT").toUpperCase() === "TXT";
  };
  return {
    model: "record",
    ...(list !== undefined && {
      async list(zone, name, signal) {
        const api = await open(signal);
        const all = await api.pages((page) => list.request(zone, name, page), list.read, signal);
        return all.filter((listed) => isAt(zone, name, listed)).map(({ id, value }) => ({ id, value }));
      },
    }),
    async create(zone, place, value, signal) {
      return (await open(signal)).call(create.request(zone, place, value), create.id, signal);
    },
    async remove(zone, place, { id, value }, signal) {
      await (await open(signal)).send(remove(zone, place, { id: id ?? "", value }), signal, true);
    },
  };
}

function rrsetModel({ read, replace }: RrsetSpec, open: OpenApi): RrsetModel {
  return {
    model: "rrset",
    async read(zone, name, signal) {
      const found = await (await open(signal)).find(read.request(zone, name), read.read, signal);
      return found ?? { values: [], ttlS: null };
    },
    async replace(zone, place, sets, signal) {
      await (await open(signal)).send(replace(zone, place, sets), signal, sets.values.length === 0);
      return null;
    },
  };
}

/** As the engine wants names; several APIs show internationalised ones in Unicode, or with a final dot. */
function plainZone(zone: Zone): Zone[] {
  const name = domainToASCII(zone.name.replace(/\.$/, "")).toLowerCase();
  const nameServers = zone.nameServers?.map((server) => server.toLowerCase().replace(/\.$/, ""));
  return DNS_NAME.test(name) ? [{ ...zone, name, ...(nameServers !== undefined && { nameServers }) }] : [];
}

/** `name` and the names above it, down to two labels: for APIs that answer only for one zone. */
export function candidates(name: string): string[] {
  const labels = name.split(".");
  return labels.slice(0, -1).map((_, index) => labels.slice(index).join("."));
}
