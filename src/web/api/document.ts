import { z } from "zod";
import documents from "../../../docs/renewd-json.schema.json" with { type: "json" };
import { ERRORS } from "../../domain/errorTable.ts";
import type { AnswerSchema, Operation } from "./operation.ts";
import { TAGS } from "./operation.ts";
import { OPERATIONS } from "./operations/index.ts";

type Json = Readonly<Record<string, unknown>>;

/** As far as the reference page reads it. */
export interface ApiDocument extends Json {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, DocumentedOperation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, Json>> } & Json;
}

export interface DocumentedOperation extends Json {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly DocumentedParameter[];
  readonly requestBody?: Json;
  readonly responses: Readonly<Record<string, Json>>;
}

export interface DocumentedParameter extends Json {
  readonly name: string;
  readonly in: string;
  readonly required?: boolean;
  readonly description?: string;
  readonly schema: Json;
}

const made = new Map<string, ApiDocument>();

/** The OpenAPI 3.1 document of this release, made of the schemas that requests are checked by. */
export function apiDocument(version: string): ApiDocument {
  const known = made.get(version);
  if (known !== undefined) return known;
  const schemas: Record<string, Json> = {};
  const paths: Record<string, Record<string, DocumentedOperation>> = {};
  for (const each of OPERATIONS) {
    const entry = paths[each.path] ?? {};
    paths[each.path] = entry;
    entry[each.method] = documented(each, schemas);
  }
  // `Problem` is what a certificate has, in the documents.
  schemas.HttpProblem = PROBLEM;
  const document: ApiDocument = {
    openapi: "3.1.1",
    info: { title: "renewd", version, description: ABOUT, license: { name: "MIT", identifier: "MIT" } },
    servers: [{ url: "/api/v1" }],
    security: [{ token: [] }],
    tags: Object.entries(TAGS).map(([name, description]) => ({ name, description })),
    paths,
    components: {
      schemas: Object.fromEntries(Object.entries(schemas).sort(([a], [b]) => (a < b ? -1 : 1))),
      securitySchemes: { token: { type: "http", scheme: "bearer", description: "The token of `api.token`." } },
    },
  };
  made.set(version, document);
  return document;
}

const ABOUT =
  "Instants are ISO 8601 in UTC; members that end in `Ms` are milliseconds. Members may be added. Lists come in pages: " +
  "`after` takes the `next` of the page before. GET answers have an ETag (`If-None-Match`); actions take `If-Match` and " +
  "`Idempotency-Key`. Errors are problem+json (RFC 9457) with a `code` of the table below. `Renewd-User: alice@laptop` " +
  "says for the history who holds the token.";

const PROBLEM: Json = {
  type: "object",
  description: "RFC 9457.",
  properties: {
    type: { type: "string", description: "Where the code is explained." },
    title: { type: "string" },
    status: { type: "integer" },
    detail: { type: "string" },
    code: { type: "string", enum: Object.keys(ERRORS) },
    action: { type: "string", description: "What to do." },
    problems: {
      type: "array",
      description: "What is wrong with each member of the request.",
      items: {
        type: "object",
        properties: { path: { type: "string" }, message: { type: "string" } },
        required: ["path", "message"],
      },
    },
  },
  required: ["type", "title", "status", "detail", "code", "action"],
};

const ACTION_HEADERS: readonly DocumentedParameter[] = [
  {
    name: "Idempotency-Key",
    in: "header",
    description:
      "Of your choice, one for each request: a repetition within a day gets the first answer and does nothing.",
    schema: { type: "string", minLength: 1, maxLength: 200 },
  },
  {
    name: "If-Match",
    in: "header",
    description: "The ETag of what was seen before deciding; 412 when it has changed since.",
    schema: { type: "string" },
  },
];

function documented(each: Operation, schemas: Record<string, Json>): DocumentedOperation {
  const isAction = each.method === "post";
  const parameters = [
    ...parametersOf(each.params, "path", schemas),
    ...parametersOf(each.query, "query", schemas),
    ...(isAction ? ACTION_HEADERS.filter(({ name }) => name !== "If-Match" || each.changes !== null) : []),
    ...(each.answer === "stream" ? [LAST_EVENT_ID] : []),
  ];
  return {
    operationId: each.id,
    summary: each.summary,
    ...(each.description !== undefined && { description: each.description }),
    tags: [each.tag],
    ...(parameters.length > 0 && { parameters }),
    ...(each.body !== undefined && {
      requestBody: { content: { "application/json": { schema: schemaOf(each.body, "input", schemas) } } },
    }),
    responses: {
      [each.status]: answerOf(each, schemas),
      default: {
        description: "Refused, or failed: 400, 401, 403, 404, 409, 412, 413, 415, 421, 422 or 503.",
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/HttpProblem" } } },
      },
    },
  };
}

const LAST_EVENT_ID: DocumentedParameter = {
  name: "Last-Event-ID",
  in: "header",
  description: "The `id` of the last event that was received: what came since is sent first.",
  schema: { type: "string", pattern: "^[0-9]{1,15}$" },
};

function answerOf({ answer, status }: Operation, schemas: Record<string, Json>): Json {
  if (answer === "stream")
    return {
      description: "Server-sent events: `id` is the sequence number, `event` the type, `data` an Event.",
      content: { "text/event-stream": { schema: { type: "string" } } },
    };
  return {
    description: status === 202 ? "It has begun." : "Done.",
    headers: { ETag: { description: "Names this state.", schema: { type: "string" } } },
    content: { "application/json": { schema: schemaOf(answer, "output", schemas) } },
  };
}

function parametersOf(
  shape: z.ZodObject | undefined,
  where: "path" | "query",
  schemas: Record<string, Json>,
): DocumentedParameter[] {
  if (shape === undefined) return [];
  const schema = schemaOf(shape, "input", schemas);
  const required = Array.isArray(schema.required) ? schema.required : [];
  const properties = schema.properties as Readonly<Record<string, Json>>;
  return Object.entries(properties).map(([name, { description, ...rest }]) => ({
    name,
    in: where,
    ...(where === "path" || required.includes(name) ? { required: true } : {}),
    ...(typeof description === "string" && { description }),
    schema: rest,
  }));
}

/** Named schemas go to the document's components. */
function schemaOf(schema: AnswerSchema, io: "input" | "output", schemas: Record<string, Json>): Json {
  if ("document" in schema) return documentSchema(schema.document, schemas);
  const { $schema: _, $defs = {}, ...own } = z.toJSONSchema(schema, { io, reused: "inline" });
  for (const [name, definition] of Object.entries($defs)) {
    if (Object.hasOwn(documents.$defs, name)) throw new Error(`${name} is a schema of docs/renewd-json.schema.json`);
    schemas[name] = moved(definition);
  }
  return moved(own);
}

function documentSchema(name: string, schemas: Record<string, Json>): Json {
  const definitions = documents.$defs as Readonly<Record<string, Json>>;
  const definition = definitions[name];
  if (definition === undefined) throw new Error(`docs/renewd-json.schema.json has no ${name}`);
  if (schemas[`${name}`] === undefined) {
    schemas[name] = {};
    schemas[name] = moved(definition);
    for (const [, used = ""] of JSON.stringify(definition).matchAll(/"#\/\$defs\/(\w+)"/g))
      documentSchema(used, schemas);
  }
  return { $ref: `#/components/schemas/${name}` };
}

function moved(schema: object): Json {
  const { id: _, ...rest } = JSON.parse(
    JSON.stringify(schema).replaceAll('"#/$defs/', '"#/components/schemas/'),
  ) as Json;
  return rest;
}
