/**
 * The plain part of YAML 1.2 that files with very many certificates are made of: block mappings and lists of simple texts and
 * numbers, lists of those in brackets, comments on lines of their own. What it reads it reads as the parser does
 * (test/config/plainYaml.test.ts compares them); of everything else it reads nothing, and the parser is asked, which takes ten
 * times as long, and ten times the memory.
 */
export function readPlainYaml(text: string): Readonly<Record<string, unknown>> | null {
  try {
    const reader = new Reader(text);
    const found = reader.block(0, 0);
    return reader.isAtEnd && !Array.isArray(found) ? found : null;
  } catch (thrown) {
    if (thrown === NOT_PLAIN) return null;
    throw thrown;
  }
}

type Data = Record<string, unknown>;

const NOT_PLAIN = new Error("not plain");
const DEPTH_MAX = 20;

/** Besides line ends: what is printed, without the line ends that YAML 1.2 has no more (§5.4). */
const OTHER_CHARACTER = /[^\n\x20-\x7e\u00a0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd]/;
const LINE = /^( *)(- )?(?:([A-Za-z][\w.-]{0,99}):(?: +(.+))?|(.+))$/;
const BLANK = /^ *(?:#.*)?$/;
/** Neither an indicator at its start, nor a colon at its end or a space anywhere. */
const PLAIN = /^[A-Za-z0-9][\w./@:+-]*$/;
const INTEGER = /^(?:0|[1-9]\d{0,14})$/;
/** Another number of the core schema (YAML 1.2.2 §10.3.2). */
const NUMBER = /^\d+(?:\.\d*)?(?:[eE][+-]?\d+)?$|^0[ox]/;
const WORDS: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ...[["true", true] as const, ["True", true] as const, ["TRUE", true] as const],
  ...[["false", false] as const, ["False", false] as const, ["FALSE", false] as const],
  ...[["null", null] as const, ["Null", null] as const, ["NULL", null] as const],
]);

interface Line {
  readonly indent: number;
  readonly isItem: boolean;
  readonly key: string | undefined;
  readonly value: string | undefined;
}

class Reader {
  readonly #text: string;
  #at = 0;
  #line: Line | null = null;
  constructor(text: string) {
    if (OTHER_CHARACTER.test(text)) throw NOT_PLAIN;
    this.#text = text;
    this.#next();
  }

  get isAtEnd(): boolean {
    return this.#line === null;
  }

  /** The mapping or list whose lines are indented by `indent`. */
  block(indent: number, depth: number): Data | unknown[] {
    if (depth > DEPTH_MAX || this.#line === null || this.#line.indent !== indent) throw NOT_PLAIN;
    return this.#line.isItem ? this.#list(indent, depth) : this.#mapping(indent, depth);
  }

  #mapping(indent: number, depth: number): Data {
    const found: Data = {};
    for (let line = this.#line; line !== null && line.indent === indent && !line.isItem; line = this.#line) {
      const { key, value } = line;
      if (key === undefined || WORDS.has(key) || Object.hasOwn(found, key)) throw NOT_PLAIN;
      this.#next();
      found[key] = value === undefined ? this.#below(indent, depth) : valueIn(value);
    }
    return found;
  }

  /** The value of a key that ends its line. A list may be indented as the key is. */
  #below(indent: number, depth: number): unknown {
    const line = this.#line;
    if (line === null || line.indent < indent || (line.indent === indent && !line.isItem)) throw NOT_PLAIN;
    return this.block(line.indent, depth + 1);
  }

  #list(indent: number, depth: number): unknown[] {
    const found: unknown[] = [];
    for (let line = this.#line; line !== null && line.indent === indent && line.isItem; line = this.#line) {
      const { key, value } = line;
      if (key === undefined) {
        if (value === undefined) throw NOT_PLAIN;
        this.#next();
        found.push(valueIn(value));
        continue;
      }
      // A mapping that begins behind the dash.
      this.#line = { ...line, indent: indent + 2, isItem: false };
      found.push(this.#mapping(indent + 2, depth + 1));
    }
    return found;
  }

  #next(): void {
    const text = this.#text;
    while (this.#at < text.length) {
      const end = text.indexOf("\n", this.#at);
      const line = text.slice(this.#at, end === -1 ? text.length : end);
      this.#at = end === -1 ? text.length : end + 1;
      if (BLANK.test(line)) continue;
      const [, indent = "", dash, key, value, item] = LINE.exec(line) ?? [];
      if (key === undefined && (item === undefined || dash === undefined)) throw NOT_PLAIN;
      this.#line = { indent: indent.length, isItem: dash !== undefined, key, value: value ?? item };
      return;
    }
    this.#line = null;
  }
}

function valueIn(text: string): unknown {
  if (text.startsWith("[")) {
    if (!text.endsWith("]")) throw NOT_PLAIN;
    const inner = text.slice(1, -1).trim();
    return inner === "" ? [] : inner.split(",").map((each) => scalarOf(each.trim(), true));
  }
  return scalarOf(text.trimEnd(), false);
}

function scalarOf(text: string, isInBrackets: boolean): unknown {
  if (PLAIN.test(text)) {
    if (INTEGER.test(text)) return Number(text);
    if (text.endsWith(":") || NUMBER.test(text)) throw NOT_PLAIN;
    const word = WORDS.get(text);
    return word === undefined ? text : word;
  }
  const quote = text[0];
  const inner = text.slice(1, -1);
  const isSimple = text.length >= 2 && text.endsWith(quote ?? "") && !inner.includes(quote ?? "");
  if (!isSimple || (quote !== "'" && quote !== '"') || (quote === '"' && inner.includes("\\"))) throw NOT_PLAIN;
  // A comma inside quotes was taken for one between two values.
  if (isInBrackets && inner.includes(",")) throw NOT_PLAIN;
  return inner;
}
