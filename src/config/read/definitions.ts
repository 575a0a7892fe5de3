import { stringify } from "yaml";
import type { StoredDefinition } from "../../domain/definition.ts";
import { type ParsedDocument, parseYaml } from "./document.ts";
import type { Positions } from "./positions.ts";
import type { ConfigProblem } from "./problems.ts";

export type Definition = StoredDefinition["definition"];

/** A document with one certificate. `from`: as people know where it was written. */
export function definitionDocument(name: string, definition: Definition, from: string): ParsedDocument {
  const place = { file: from, line: 0, column: 0 };
  const places: Positions = { files: [from], of: () => place, ofNode: () => place };
  return { data: { certificates: { [name]: definition } }, places };
}

/** A document with the certificate whose keys the file holds, as below its name under `certificates:`. */
export function parseDefinition(
  file: string,
  text: string,
  name: string,
): ParsedDocument | { readonly problems: readonly ConfigProblem[] } {
  const parsed = parseYaml(file, text, "names:");
  if ("problems" in parsed) return parsed;
  const { data, places } = parsed;
  return {
    data: { certificates: { [name]: data } },
    // Below `certificates` and the name.
    places: { ...places, of: (path, at) => places.of(path.slice(2), at) },
  };
}

/** What a document defines by name; what is no mapping is left to the checks. */
export function definitionsIn({ data }: ParsedDocument): ReadonlyMap<string, Definition> {
  return new Map(
    Object.entries(asMapping(asMapping(data).certificates)).map(([name, value]) => [name, asMapping(value)]),
  );
}

/** YAML that `renewd certificates import` and `include` take. */
export function definitionsText(definitions: readonly Pick<StoredDefinition, "name" | "definition">[]): string {
  return stringify({ certificates: Object.fromEntries(definitions.map(({ name, definition }) => [name, definition])) });
}

/** As a file for `parseDefinition`. */
export function definitionText(definition: Definition): string {
  return stringify(definition);
}

/** The value of one key, written as in YAML. */
export function parseValue(
  from: string,
  text: string,
): { readonly value: unknown } | { readonly problems: readonly ConfigProblem[] } {
  const parsed = parseYaml(from, `value: ${text}`);
  if ("problems" in parsed) return parsed;
  const { value, ...others } = asMapping(parsed.data);
  if (Object.keys(others).length === 0) return { value };
  return {
    problems: [{ file: from, line: 0, column: 0, message: "holds more than one value: give one --set for each" }],
  };
}

function asMapping(value: unknown): Definition {
  // Boundary: data of a document, whose mappings are plain objects.
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Definition) : {};
}
