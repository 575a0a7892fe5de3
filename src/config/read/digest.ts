import { hash } from "node:crypto";

/** SHA-256 in hex over the value's JSON with sorted keys: the order of lines in the file changes nothing. */
export function digestOf(value: unknown): string {
  return hash("sha256", canonicalJson(value) ?? "", "hex");
}

/**
 * As `JSON.stringify` writes an object whose keys were sorted: digests of earlier releases must stay. By hand, as there
 * is one for each of very many certificates, and most of each is what they share.
 */
function canonicalJson(value: unknown): string | undefined {
  if (typeof value === "string") return quoted(value);
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const known = KNOWN.get(value);
  if (known !== undefined) return known;
  if (Array.isArray(value)) return `[${value.map((each) => canonicalJson(each) ?? "null").join(",")}]`;
  // Boundary: any object's members are unknown.
  const members = value as Readonly<Record<string, unknown>>;
  let all = "";
  for (const key of sortedKeys(members)) {
    const text = canonicalJson(members[key]);
    if (text !== undefined) all += `${all === "" ? "" : ","}${quotedKey(key)}:${text}`;
  }
  return `{${all}}`;
}

/** Printable ASCII without what JSON escapes: most texts are, and need no look at each character again. */
const PLAIN = /^[ !#-[\]-~]*$/;

function quoted(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text);
}

/** Few keys stand in very many objects. */
const KEYS = new Map<string, string>();

function quotedKey(key: string): string {
  const known = KEYS.get(key) ?? quoted(key);
  KEYS.set(key, known);
  return known;
}

/** JavaScript puts keys that are numbers first, in any order they were added. */
function sortedKeys(members: object): string[] {
  const keys = Object.keys(members);
  let before = "";
  for (const key of keys) {
    if (key < before) {
      keys.sort();
      break;
    }
    before = key;
  }
  // A colon follows the digits.
  if ((keys[0] ?? ":") >= ":" || !keys.some((key) => /^\d+$/.test(key))) return keys;
  return Object.keys(Object.fromEntries(keys.map((key) => [key, null])));
}

const KNOWN = new WeakMap<object, string>();

/** An object that is part of many digests and never changes: its JSON is made once. */
export function shared<T extends object>(value: T): T {
  if (!KNOWN.has(value)) KNOWN.set(value, canonicalJson(value) ?? "");
  return value;
}
