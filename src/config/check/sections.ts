import { z } from "zod";
import type { Kind } from "../../domain/plugin.ts";
import type { ChannelConfig, PluginConfig, SolverConfig, TargetConfig } from "../config.ts";
import type { Path } from "../read/positions.ts";
import type { Problems } from "../read/problems.ts";
import { suggestion } from "../read/suggestions.ts";
import { fileSchema } from "../schema/file.ts";
import { channelSchema, NAME, NAME_ADVICE, solverSchema, targetSchema } from "../schema/named.ts";
import type { Registries } from "../schema/registries.ts";
import { type ResponsibilitySources, responsibilityOf } from "./responsibility.ts";
import { check } from "./zodMessages.ts";

type Shape = typeof fileSchema.shape;
/** The file as plain data, each section yet unchecked. */
export type Raw = Readonly<Record<string, unknown>>;

/** A named entry that is right by itself, and how it was written. */
export interface Entry<T> {
  readonly raw: unknown;
  readonly value: T;
}

export function checkTopLevelKeys(raw: Raw, problems: Problems): void {
  const known = Object.keys(fileSchema.shape);
  for (const key of Object.keys(raw)) {
    if (!known.includes(key)) problems.add([key], () => `unknown key${suggestion(key, known)}`, "key");
  }
}

/** Every member of a shape is a schema of its own output. */
const SCHEMAS: { readonly [Key in keyof Shape]: z.ZodType<z.output<Shape[Key]>> } = fileSchema.shape;

/** One section with its defaults; undefined: something in it is wrong and has been said. */
export function section<Key extends keyof Shape>(
  key: Key,
  raw: Raw,
  problems: Problems,
): z.output<Shape[Key]> | undefined {
  return check(SCHEMAS[key], raw[key], [key], problems);
}

/** The entries of a section of named things, each checked by itself: those that are wrong are left out. */
export function entries<Schema extends z.ZodType>(
  key: string,
  schema: Schema,
  raw: Raw,
  problems: Problems,
): Map<string, Entry<z.output<Schema>>> {
  const found = new Map<string, Entry<z.output<Schema>>>();
  for (const [name, entry] of named(key, raw, problems)) {
    const value = check(schema, entry, [key, name], problems);
    if (value !== undefined) found.set(name, { raw: entry, value });
  }
  return found;
}

/**
 * As `entries`, but of a wrong entry what is right is kept, so that the rules still find what is wrong with that. Without
 * those that are `known`. One at a time: of very many there are never all at once.
 */
export function* partialEntries<Shape extends z.ZodRawShape>(
  key: string,
  schema: z.ZodObject<Shape>,
  raw: Raw,
  problems: Problems,
  known: ReadonlyMap<string, unknown>,
): Generator<readonly [name: string, value: Partial<z.output<z.ZodObject<Shape>>>]> {
  for (const [name, entry] of named(key, raw, problems)) {
    if (!known.has(name)) yield [name, check(schema, entry, [key, name], problems) ?? rightParts(schema, entry)];
  }
}

function rightParts<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
  entry: unknown,
): Partial<z.output<z.ZodObject<Shape>>> {
  const parts: Record<string, unknown> = {};
  const written = z.record(z.string(), z.unknown()).safeParse(entry).data ?? {};
  for (const [key, part] of Object.entries<z.core.$ZodType>(schema.shape)) {
    const parsed = z.safeParse(part, written[key]);
    if (parsed.success) parts[key] = parsed.data;
  }
  return parts as Partial<z.output<z.ZodObject<Shape>>>; // Each part came out of its own schema.
}

/** What was written beside a plugin's own options, and those. */
interface Written<Plugin, Common> {
  readonly type: string;
  readonly common: (plugin: Plugin) => Common;
  readonly options: unknown;
}

/** As `entries`, each checked by the plugin its `type` names. */
async function pluginEntries<Plugin extends { readonly type: string; readonly options: z.ZodType }, Common>(
  key: "solvers" | "targets" | "notifications",
  kinds: readonly Kind<Plugin>[],
  raw: Raw,
  problems: Problems,
  split: (entry: unknown, path: Path) => Written<Plugin, Common> | undefined,
): Promise<Map<string, Entry<PluginConfig<Plugin> & Common>>> {
  const found = new Map<string, Entry<PluginConfig<Plugin> & Common>>();
  const types = kinds.map(({ type }) => type);
  for (const [name, entry] of named(key, raw, problems)) {
    const written = split(entry, [key, name]);
    if (!written) continue;
    const plugin = await kinds.find(({ type }) => type === written.type)?.load();
    if (plugin === undefined) {
      problems.add([key, name, "type"], () => `no such kind of ${key.slice(0, -1)}${suggestion(written.type, types)}`);
      continue;
    }
    const options = check(plugin.options, written.options, [key, name], problems);
    if (options !== undefined)
      found.set(name, { raw: entry, value: { name, type: written.type, options, plugin, ...written.common(plugin) } });
  }
  return found;
}

export function solverEntries(
  kinds: Registries["solvers"],
  raw: Raw,
  problems: Problems,
): Promise<Map<string, Entry<SolverConfig>>> {
  return pluginEntries("solvers", kinds, raw, problems, (entry, path) => {
    const { type, zones = [], ...options } = check(solverSchema, entry, path, problems) ?? {};
    return type === undefined ? undefined : { type, common: () => ({ zones }), options };
  });
}

export function targetEntries(
  kinds: Registries["deployers"],
  raw: Raw,
  problems: Problems,
  sources: ResponsibilitySources,
): Promise<Map<string, Entry<TargetConfig>>> {
  return pluginEntries("targets", kinds, raw, problems, (entry, path) => {
    const read = check(targetSchema, entry, path, problems);
    if (read === undefined) return undefined;
    const { type, agent, served, takes, team, criticality, runbook, ...options } = read;
    const { keyTypes, namesMax, profiles } = takes;
    const known = { ...(keyTypes && { keyTypes }), ...(namesMax && { namesMax }), ...(profiles && { profiles }) };
    const written = { team, criticality, runbook };
    const responsibility = responsibilityOf(
      { kind: "targets", name: String(path.at(-1)), names: [] },
      written,
      sources,
    );
    return {
      type,
      common: (plugin) => ({ agent, served: served ?? plugin.served ?? true, takes: known, responsibility }),
      options,
    };
  });
}

export function channelEntries(
  kinds: Registries["channels"],
  raw: Raw,
  problems: Problems,
): Promise<Map<string, Entry<ChannelConfig>>> {
  return pluginEntries("notifications", kinds, raw, problems, (entry, path) => {
    const read = check(channelSchema, entry, path, problems);
    if (read === undefined) return undefined;
    const { type, from, about, ...options } = read;
    return { type, common: () => ({ from, about: about ?? null }), options };
  });
}

const sectionSchema = z.record(z.string(), z.unknown()).default({});

/** As it is, which a schema would copy. null: it is none. */
export function mappingOf(value: unknown): Raw | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Raw) : null;
}

/** One pair at a time: a list of very many is a long-lived one of short-lived pairs, which garbage collection copies. */
function* named(key: string, raw: Raw, problems: Problems): Generator<readonly [string, unknown]> {
  const mapping = mappingOf(raw[key]) ?? check(sectionSchema, raw[key], [key], problems) ?? {};
  for (const name of Object.keys(mapping)) {
    if (!NAME.test(name)) problems.add([key, name], NAME_ADVICE, "key");
    yield [name, mapping[name]];
  }
}
