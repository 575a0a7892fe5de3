import { z } from "zod";
import type { Decision } from "../../actions/context.ts";
import type { Store } from "../../domain/store.ts";
import type { WebContext } from "../context.ts";
import { HttpProblem } from "../problem.ts";

/** Groups of the reference page. */
export const TAGS = {
  See: "What there is and how it is.",
  Act: "What a person decides. Each takes an idempotency key.",
  Documents: "The documents that `renewd … --json` prints.",
  Stream: "The history as it is written.",
} as const;
export type Tag = keyof typeof TAGS;

/** A schema of ours, or one of `docs/renewd-json.schema.json` by its name. */
export type AnswerSchema = z.ZodType | { readonly document: string };

/** What a handler gets. Everything in it fits the operation's schemas. */
export interface Call<Params, Query, Body> {
  readonly web: WebContext;
  readonly params: Params;
  readonly query: Query;
  /** As it was sent, for queries of lists. */
  readonly search: URLSearchParams;
  readonly body: Body;
  readonly decision: Decision;
  readonly headers: Headers;
  /** Ends with the connection. */
  readonly signal: AbortSignal;
}

type Shape = z.ZodObject | undefined;
type Given<S extends Shape> = S extends z.ZodObject ? z.output<S> : Record<string, never>;

interface Definition<P extends Shape, Q extends Shape, B extends Shape> {
  readonly id: string;
  readonly method: "get" | "post";
  /** Below `/api/v1`, such as `/certificates/{certificate}`. */
  readonly path: string;
  readonly tag: Tag;
  readonly summary: string;
  readonly description?: string;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** `stream`: server-sent events. */
  readonly answer: AnswerSchema | "stream";
  readonly status?: 200 | 202;
  /** What it changes, for `If-Match`. */
  readonly changes?: {
    /** The answer of the operation that shows it, whose ETag the client has. */
    readonly shown: (call: Call<Given<P>, Given<Q>, Given<B>>) => Promise<object>;
    /** What a decision about it depends on; inside a transaction it is locked until the end. */
    readonly state: (store: Store, call: Call<Given<P>, Given<Q>, Given<B>>) => Promise<unknown>;
  };
  /** Of an action: asks a CA, a queue or a server, and so is no part of a transaction. It may run twice. */
  readonly reachesOut?: boolean;
  /** Answers GET; of an action, decides and records by what `web` has in place of its own: all is one transaction. */
  readonly run?: (call: Call<Given<P>, Given<Q>, Given<B>>) => Promise<object | ReadableStream<Uint8Array>>;
  /** In place of `run`, of an action that reads much before it decides: what it returns is the transaction. */
  readonly prepare?: (call: Call<Given<P>, Given<Q>, Given<B>>) => Promise<(web: WebContext) => Promise<object>>;
}

/** Request as it came: everything is text or unknown. */
export interface RawCall extends Omit<Call<unknown, unknown, unknown>, "query"> {
  readonly params: Readonly<Record<string, string>>;
}

/** One operation of the API: what the document says and what is carried out are one thing. */
export interface Operation
  extends Omit<
    Definition<z.ZodObject, z.ZodObject, z.ZodObject>,
    "run" | "prepare" | "changes" | "status" | "params" | "query" | "body" | "reachesOut"
  > {
  readonly params: z.ZodObject | undefined;
  readonly query: z.ZodObject | undefined;
  readonly body: z.ZodObject | undefined;
  readonly status: 200 | 202;
  readonly reachesOut: boolean;
  readonly handle: (raw: RawCall) => Promise<object | ReadableStream<Uint8Array>>;
  /** A refusal that is to be recorded is returned; what is thrown leaves nothing behind. */
  readonly prepared: (raw: RawCall) => Promise<(web: WebContext) => Promise<object>>;
  readonly changes: {
    readonly shown: (raw: RawCall) => Promise<object>;
    readonly state: (store: Store, raw: RawCall) => Promise<unknown>;
  } | null;
}

export function operation<P extends Shape = undefined, Q extends Shape = undefined, B extends Shape = undefined>(
  definition: Definition<P, Q, B>,
): Operation {
  const { run, prepare, changes, status = 200, reachesOut = false, params, query, body, ...described } = definition;
  const checked = (raw: RawCall): Call<Given<P>, Given<Q>, Given<B>> => ({
    ...raw,
    params: parse(definition.params, raw.params, "") as Given<P>,
    query: parse(definition.query, readQuery(definition.query, raw.search), "") as Given<Q>,
    body: parse(definition.body, raw.body, "") as Given<B>,
  });
  return {
    ...described,
    params,
    query,
    body,
    status,
    reachesOut,
    handle: async (raw) => required(run)(checked(raw)),
    async prepared(raw) {
      const call = checked(raw);
      if (prepare !== undefined) return prepare(call);
      return (web) => required(run)({ ...call, web });
    },
    changes:
      changes === undefined
        ? null
        : {
            shown: async (raw) => changes.shown(checked(raw)),
            state: async (store, raw) => changes.state(store, checked(raw)),
          },
  };
}

function required<T>(run: T | undefined): T {
  if (run === undefined) throw new TypeError("an operation without `run`");
  return run;
}

/** Throws 400 with everything that is wrong. */
function parse(schema: Shape, given: unknown, at: string): unknown {
  if (schema === undefined) return {};
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const problems = result.error.issues.slice(0, PROBLEMS_MAX).map(({ path, message }) => ({
    path: [at, ...path.map(String)].filter((part) => part !== "").join("."),
    message,
  }));
  const detail = problems.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`)).join("; ");
  throw new HttpProblem(400, detail.slice(0, DETAIL_CHARACTERS_MAX), { problems });
}

const PROBLEMS_MAX = 20;
const DETAIL_CHARACTERS_MAX = 1_000;

/** Each parameter as its schema wants it: a number, a list. Unknown ones stay, to be refused by name. */
function readQuery(schema: Shape, search: URLSearchParams): Record<string, unknown> {
  const kinds = schema === undefined ? {} : kindsOf(schema);
  const read: Record<string, unknown> = {};
  for (const key of new Set(search.keys())) {
    const all = search.getAll(key);
    const kind = Object.hasOwn(kinds, key) ? kinds[key] : undefined;
    if (schema === undefined || kind === undefined)
      throw new HttpProblem(400, `${key.slice(0, 80)}: there is no such parameter`, {
        problems: [{ path: key.slice(0, 80), message: "there is no such parameter" }],
      });
    if (kind !== "array" && all.length > 1) throw new HttpProblem(400, `${key}: is given ${all.length} times`);
    read[key] = kind === "array" ? all : converted(kind, all[0] ?? "");
  }
  return read;
}

function converted(kind: string, text: string): unknown {
  if (kind === "integer" && /^-?\d{1,15}$/.test(text)) return Number(text);
  if (kind === "boolean" && (text === "true" || text === "false")) return text === "true";
  return text;
}

const kinds = new WeakMap<z.ZodObject, Readonly<Record<string, string>>>();

function kindsOf(schema: z.ZodObject): Readonly<Record<string, string>> {
  const known = kinds.get(schema);
  if (known !== undefined) return known;
  const { properties = {} } = z.toJSONSchema(schema, { io: "input" });
  const found = Object.fromEntries(
    Object.entries(properties).map(([key, value]) => [
      key,
      typeof value === "object" && typeof value.type === "string" ? value.type : "string",
    ]),
  );
  kinds.set(schema, found);
  return found;
}
