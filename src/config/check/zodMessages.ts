import type { z } from "zod";
import type { Path } from "../read/positions.ts";
import type { Problems } from "../read/problems.ts";
import { quote, suggestion } from "../read/suggestions.ts";

/** Parses one part of the file; what is wrong goes to `problems` below `path`. undefined: it was. */
export function check<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  path: Path,
  problems: Problems,
): z.output<Schema> | undefined {
  const parsed = schema.safeParse(input, { error: wording });
  if (parsed.success) return parsed.data;
  for (const issue of parsed.error.issues) report(issue, path, problems);
  return undefined;
}

function report(issue: z.core.$ZodIssue, base: Path, problems: Problems): void {
  const path = [...base, ...issue.path.map((part) => (typeof part === "number" ? part : String(part)))];
  if (issue.code === "unrecognized_keys") {
    const messages = issue.message.split("\n");
    for (const [i, key] of issue.keys.entries()) problems.add([...path, key], messages[i] ?? "unknown key", "key");
  } else if (issue.code === "invalid_key") {
    problems.add(path, issue.issues[0]?.message ?? issue.message, "key");
  } else if (issue.code === "invalid_union" && issue.errors.length > 0) {
    // Of several shapes, the one that got past its outermost type is what the author meant.
    const meant = issue.errors.find((branch) =>
      branch.every((inner) => inner.code !== "invalid_type" || inner.path.length > 0),
    );
    for (const inner of meant ?? []) report(inner, path, problems);
    if (!meant) problems.add(path, `must be ${issue.errors.map(([first]) => alternative(first)).join(" or ")}`);
  } else problems.add(path, issue.message);
}

function meantValue(input: unknown, values: readonly string[]): string {
  return typeof input === "string" ? didYouMean(input, values) : "";
}

function alternative(issue: z.core.$ZodIssue | undefined): string {
  return issue?.code === "invalid_type" ? nounOf(issue.expected) : "something else";
}

/**
 * Messages where a schema gives none of its own. They never repeat a value, which may be a secret in the wrong place.
 */
function wording(issue: z.core.$ZodRawIssue): string | undefined {
  switch (issue.code) {
    case "invalid_type":
      if (issue.input === undefined) return "is missing";
      if (issue.input === null) return `must be ${nounOf(issue.expected)}, but is empty`;
      if (issue.expected === "string" && isBarePlaceholder(issue.input))
        return 'quote it, as braces are YAML\'s: "{certificate}"';
      return `must be ${nounOf(issue.expected)}, not ${nounOf(kindOf(issue.input))}`;
    case "unrecognized_keys":
      // One line per key, split again by report(): only here the schema and so its known keys are at hand.
      return issue.keys.map((key) => `unknown key${suggestion(key, knownKeys(issue.inst))}`).join("\n");
    case "invalid_value":
      if (issue.input === undefined) return "is missing";
      return `must be one of ${issue.values.map(String).join(", ")}${meantValue(issue.input, issue.values.map(String))}`;
    case "invalid_union":
      return Array.isArray(issue.options) ? `must be one of ${issue.options.map(String).join(", ")}` : undefined;
    case "too_small":
      return issue.origin === "array"
        ? `needs at least ${issue.minimum}`
        : bound(issue.origin, issue.inclusive === false ? "more than" : "at least", issue.minimum);
    case "too_big":
      return issue.origin === "array"
        ? `has more than the ${issue.maximum} allowed`
        : bound(issue.origin, issue.inclusive === false ? "less than" : "at most", issue.maximum);
    default:
      return undefined;
  }
}

/** `{certificate}` without quotes is a mapping with that key and no value. */
function isBarePlaceholder(input: unknown): boolean {
  if (typeof input !== "object" || input === null) return false;
  const [[key, value] = [], ...others] = Object.entries(input);
  return key === "certificate" && value === null && others.length === 0;
}

function bound(origin: string, relation: string, limit: number | bigint): string {
  return origin === "string" ? `must be ${relation} ${limit} characters long` : `must be ${relation} ${limit}`;
}

function didYouMean(word: string, known: readonly string[]): string {
  const text = suggestion(word, known);
  return text.includes("did you mean") ? text : "";
}

function knownKeys(schema: unknown): string[] {
  // Boundary: zod types the origin of a raw issue as unknown.
  const shape = (schema as z.core.$ZodObject | undefined)?._zod?.def?.shape;
  return Object.keys(shape ?? {});
}

function kindOf(input: unknown): string {
  return Array.isArray(input) ? "array" : typeof input;
}

const NOUNS: Readonly<Record<string, string>> = {
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "keys and values",
  record: "keys and values",
};

function nounOf(kind: string): string {
  return NOUNS[kind] ?? quote(kind);
}
