import { z } from "zod";
import { fileSchema } from "./file.ts";
import { channelSchema, solverSchema, targetSchema } from "./named.ts";
import type { Plugins } from "./registries.ts";

/** The part of JSON Schema (2020-12) that comes out of our schemas. */
export interface JsonSchema {
  [keyword: string]: unknown;
  type?: string;
  description?: string;
  properties?: Record<string, JsonSchema>;
  required?: string[];
  additionalProperties?: JsonSchema | boolean;
  items?: JsonSchema | false;
  prefixItems?: JsonSchema[];
  oneOf?: JsonSchema[];
  anyOf?: JsonSchema[];
}

/** renewd.yaml for editors. Cross-references and files are beyond a schema: `renewd` itself checks them. */
export function configJsonSchema({ solvers, deployers, channels }: Plugins): JsonSchema {
  const schema = jsonSchemaOf(fileSchema);
  for (const [key, plugins, common] of [
    ["solvers", solvers, SOLVER],
    ["targets", deployers, TARGET],
    ["notifications", channels, CHANNEL],
  ] as const) {
    const section = schema.properties?.[key];
    if (section)
      section.additionalProperties = {
        type: "object",
        required: ["type"],
        oneOf: plugins.map((plugin) => pluginJsonSchema(plugin, common)),
      };
  }
  return {
    ...schema,
    title: "renewd configuration",
    description: "Checked by `renewd` at start and on reload; see docs/configuration.md.",
  };
}

interface Kind {
  readonly type: string;
  readonly description: string;
  readonly options: z.ZodType;
}

/** What every target, and every channel, takes besides its kind's options. */
const { type: _type, ...TARGET } = jsonSchemaOf(targetSchema).properties ?? {};
const SOLVER = { zones: jsonSchemaOf(solverSchema).properties?.zones ?? {} };
const { type: _kind, ...CHANNEL } = jsonSchemaOf(channelSchema).properties ?? {};

function pluginJsonSchema({ type, description, options }: Kind, more: Record<string, JsonSchema>): JsonSchema {
  const { $schema: _, ...schema } = jsonSchemaOf(options);
  return { ...withType(schema, type, more), description };
}

/** Options are strict objects, or alternatives of such: each has to allow the `type` it is written beside. */
function withType(schema: JsonSchema, type: string, more: Record<string, JsonSchema>): JsonSchema {
  if (schema.anyOf) return { ...schema, anyOf: schema.anyOf.map((branch) => withType(branch, type, more)) };
  if (schema.oneOf && !schema.properties)
    return { ...schema, oneOf: schema.oneOf.map((branch) => withType(branch, type, more)) };
  const properties = { type: { const: type, description: "Kind." }, ...more, ...schema.properties };
  return { ...schema, properties, required: ["type", ...(schema.required ?? [])] };
}

function jsonSchemaOf(schema: z.ZodType): JsonSchema {
  // A plugin may hold what JSON Schema cannot say; editors then allow anything there.
  // Its own type is wider in keywords we never emit.
  return z.toJSONSchema(schema, { io: "input", unrepresentable: "any" }) as JsonSchema;
}
