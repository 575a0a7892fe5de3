import type { ApiDocument, DocumentedOperation } from "../../../src/web/api/document.ts";
import type { Random } from "../model/random.ts";

export interface ApiRequest {
  readonly operation: string;
  readonly method: string;
  /** With parameters, below the origin. */
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string | null;
}

type Schema = Readonly<Record<string, unknown>>;

/** What no operation should choke on. */
const ODD = [
  "",
  " ",
  "\u0000",
  "\u202e\u2066",
  "\ud800",
  "%00",
  "%E0%A4%A",
  "../../etc/passwd",
  "'; drop table events; --",
  "<script>alert(1)</script>",
  "__proto__",
  "constructor",
  "toString",
  "a\r\nSet-Cookie: a=b",
  "\n\nevent: forged\ndata: {}",
  "9".repeat(40),
  "-1",
  "1e309",
  "0x10",
  "NaN",
  "null",
  "true",
  "2026-02-30T25:61:61Z",
  "-271821-04-20",
  "2d",
  "999999w",
  "a".repeat(3_000),
  "é".repeat(300),
  "name:x serial:zz since:never before:",
  Buffer.from("[1,2,3]").toString("base64url"),
  Buffer.from('["\u0000",{"a":1}]').toString("base64url"),
  Buffer.from("[null,null]").toString("base64url"),
] as const;
const NUMBERS = [0, -1, 1, 0.5, 1e21, 2 ** 53, -(2 ** 63), Number.MAX_VALUE] as const;
const KNOWN = ["www", "api", "ca", "lb", "http"] as const;
const TYPES = [
  "application/json",
  "application/json; charset=utf-16",
  "text/plain",
  "application/x-www-form-urlencoded",
  "multipart/form-data; boundary=x",
  "application/problem+json",
  "",
] as const;
const DEPTH_MAX = 4;
const NESTED = 20_000;

/** Any request for any operation of the document; most are nearly right, so that they come far. */
export function randomRequest(document: ApiDocument, random: Random, without: readonly string[] = []): ApiRequest {
  const all = Object.entries(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
  );
  const usable = all.filter(({ operation }) => !without.includes(operation.operationId));
  const [first] = usable;
  if (first === undefined) throw new Error("a document without operations");
  const { path, method, operation } = random.pick([first, ...usable]);
  const { parameters = [] } = operation;
  const filled = path.replace(/\{(\w+)\}/g, () => encodeURIComponent(segment(random).toWellFormed()) || "x");
  const query = new URLSearchParams();
  for (const { name, in: where, schema } of parameters)
    if (where === "query" && random.chance(0.4)) query.append(name, textOf(value(schema, document, random)));
  if (random.chance(0.1)) query.append(oneOf(random).toWellFormed(), oneOf(random).toWellFormed());
  const text = [...query].map(([key, each]): [string, string] => [key.toWellFormed(), each.toWellFormed()]);
  return {
    operation: operation.operationId,
    method: random.chance(0.03) ? random.pick(["DELETE", "PUT", "PATCH", "OPTIONS", "HEAD"]) : method.toUpperCase(),
    path: `/api/v1${filled}?${new URLSearchParams(text)}`,
    headers: headersOf(operation, random),
    body: method === "get" ? null : bodyOf(operation, document, random),
  };
}

function oneOf(random: Random): string {
  return random.pick([...ODD]);
}

function segment(random: Random): string {
  return random.chance(0.6) ? random.pick([...KNOWN]) : oneOf(random);
}

function headersOf({ parameters = [] }: DocumentedOperation, random: Random): Record<string, string> {
  const headers: Record<string, string> = { "content-type": random.chance(0.9) ? TYPES[0] : random.pick([...TYPES]) };
  const headerText = (): string =>
    oneOf(random)
      .replace(/[^\x20-\x7e]/g, "?")
      .slice(0, 2_000);
  for (const { name, in: where } of parameters)
    if (where === "header" && random.chance(0.3)) headers[name] = headerText();
  if (random.chance(0.2)) headers["If-None-Match"] = random.pick(["*", 'W/"x"', '"', ",,,", headerText()]);
  if (random.chance(0.1)) headers["Renewd-User"] = headerText();
  if (random.chance(0.1)) headers.Accept = random.pick(["text/html", "*/*", headerText()]);
  return headers;
}

function bodyOf({ requestBody }: DocumentedOperation, document: ApiDocument, random: Random): string {
  const shape = random.below(10);
  if (shape === 0) return oneOf(random).toWellFormed();
  if (shape === 1) return random.pick(["[]", "null", "1", '"x"', "{", '{"reason":', "\ufeff{}"]);
  if (shape === 2) return `${"[".repeat(NESTED)}${"]".repeat(NESTED)}`;
  const content = (requestBody as { content?: Record<string, { schema?: Schema }> } | undefined)?.content;
  const schema = content?.["application/json"]?.schema ?? {};
  const body = value(schema, document, random);
  const extra = random.chance(0.1) ? { [oneOf(random)]: oneOf(random) } : {};
  return JSON.stringify(typeof body === "object" && body !== null ? { ...body, ...extra } : body);
}

/** Mostly what the schema allows. */
function value(given: Schema, document: ApiDocument, random: Random, depth = 0): unknown {
  const schema = resolved(given, document);
  if (random.chance(0.12) || depth > DEPTH_MAX) return anything(random);
  const alternatives = schema.anyOf ?? schema.oneOf;
  if (Array.isArray(alternatives)) {
    const all = alternatives as Schema[];
    return value(all[random.below(all.length)] ?? {}, document, random, depth + 1);
  }
  if (Array.isArray(schema.enum)) return schema.enum[random.below(schema.enum.length)];
  if ("const" in schema) return schema.const;
  if (schema.type === "boolean") return random.chance(0.5);
  if (schema.type === "integer" || schema.type === "number")
    return random.chance(0.7) ? random.below(300) : random.pick([...NUMBERS]);
  if (schema.type === "array")
    return Array.from({ length: random.below(4) }, () =>
      value((schema.items as Schema | undefined) ?? {}, document, random, depth + 1),
    );
  if (schema.type === "object") return objectOf(schema, document, random, depth);
  return random.chance(0.6) ? random.pick([...KNOWN, "2d", "24h", "x", "reason"]) : oneOf(random);
}

function objectOf(schema: Schema, document: ApiDocument, random: Random, depth: number): unknown {
  const required = Array.isArray(schema.required) ? (schema.required as string[]) : [];
  const properties = (schema.properties ?? {}) as Readonly<Record<string, Schema>>;
  return Object.fromEntries(
    Object.entries(properties)
      .filter(([name]) => (required.includes(name) ? random.chance(0.95) : random.chance(0.5)))
      .map(([name, each]) => [name, value(each, document, random, depth + 1)]),
  );
}

function resolved(schema: Schema, { components }: ApiDocument): Schema {
  const name = typeof schema.$ref === "string" ? /\/(\w+)$/.exec(schema.$ref)?.[1] : undefined;
  return name === undefined ? schema : (components.schemas[name] ?? {});
}

function anything(random: Random): unknown {
  return random.pick<unknown>([
    oneOf(random),
    random.pick([...NUMBERS]),
    null,
    true,
    [],
    {},
    [[oneOf(random)]],
    { a: {} },
  ]);
}

function textOf(each: unknown): string {
  return typeof each === "string" ? each : JSON.stringify(each ?? null);
}
