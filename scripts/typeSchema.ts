// JSON Schema of the interfaces of `--json` documents, read from the sources themselves: no member can be added,
// renamed or dropped without its schema. Knows the few forms of types that reports are written in, and refuses any
// other.
import { readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";

export type Schema = Readonly<Record<string, unknown>>;

interface Module {
  readonly path: string;
  readonly tokens: readonly string[];
}

const TOKEN = /\/\*\*[\s\S]*?\*\/|\/\*[\s\S]*?\*\/|\/\/[^\n]*|"(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`|\w+|=>|\S/g;
const KEYWORDS: Readonly<Record<string, Schema>> = {
  string: { type: "string" },
  number: { type: "number" },
  boolean: { type: "boolean" },
  null: { type: "null" },
  true: { const: true },
  false: { const: false },
  unknown: {},
  object: { type: "object" },
};

/** Collects the schemas of all types that those asked for refer to. */
export class TypeSchemas {
  readonly #modules = new Map<string, Module>();
  readonly #declaredIn = new Map<string, string>();
  readonly definitions: Record<string, Schema> = {};

  of(file: string, name: string): Schema {
    return this.#named(this.#module(resolve(file)), name);
  }

  #module(path: string): Module {
    const known = this.#modules.get(path) ?? { path, tokens: tokensOf(readFileSync(path, "utf8")) };
    this.#modules.set(path, known);
    return known;
  }

  /** Where a name is declared: in the module, or where that imports it from. */
  #declaring(module: Module, name: string): { readonly module: Module; readonly at: number } {
    const { tokens, path } = module;
    const at = tokens.findIndex(
      (token, i) =>
        token === name && ["interface", "type", "const"].includes(tokens[i - 1] ?? "") && tokens[i - 2] !== "{",
    );
    const from = importOf(module, name);
    if (from !== null) return this.#declaring(this.#module(resolve(dirname(path), from)), name);
    if (at < 0) throw new Error(`${path}: nothing declares ${name}`);
    return { module, at };
  }

  #named(from: Module, name: string): Schema {
    const { module, at } = this.#declaring(from, name);
    const known = this.#declaredIn.get(name) ?? module.path;
    if (known !== module.path) throw new Error(`${name} is declared in ${known} and in ${module.path}: rename one`);
    this.#declaredIn.set(name, module.path);
    if (!(name in this.definitions)) {
      this.definitions[name] = {}; // A type may refer to itself.
      const reader = new Reader(module.tokens, at + 1, module.path, {
        named: (type) => this.#named(module, type),
        whole: (schema) => this.#whole(schema),
        values: (constant) => this.#values(module, constant),
      });
      this.definitions[name] = module.tokens[at - 1] === "interface" ? reader.declaration() : reader.alias();
    }
    return { $ref: `#/$defs/${name}` };
  }

  #whole(schema: Schema): Schema {
    const name = /^#\/\$defs\/(\w+)$/.exec(String(schema.$ref ?? ""))?.[1];
    return name === undefined ? schema : this.#whole(this.definitions[name] ?? {});
  }

  /** Of a constant list of strings. */
  #values(from: Module, name: string): string[] {
    const { module, at } = this.#declaring(from, name);
    const end = module.tokens.indexOf(";", at);
    const list = module.tokens.slice(at, end).filter((token) => token.startsWith('"'));
    if (list.length === 0) throw new Error(`${module.path}: ${name} is no list of strings`);
    return list.map((token) => String(JSON.parse(token)));
  }
}

interface Names {
  readonly named: (type: string) => Schema;
  readonly whole: (schema: Schema) => Schema;
  readonly values: (constant: string) => string[];
}

/** Reads one declaration from its tokens. */
class Reader {
  readonly #tokens: readonly string[];
  readonly #names: Names;
  readonly #path: string;
  #at: number;
  /** Of a generic type; in a document each is a string. */
  readonly #parameters = new Set<string>();

  constructor(tokens: readonly string[], at: number, path: string, names: Names) {
    this.#tokens = tokens;
    this.#at = at;
    this.#path = path;
    this.#names = names;
  }

  declaration(): Schema {
    this.#typeParameters();
    const parents: Schema[] = [];
    if (this.#skip("extends"))
      do parents.push(this.#names.whole(this.#postfix()));
      while (this.#skip(","));
    return merged([...parents, this.#object()]);
  }

  alias(): Schema {
    this.#need("=");
    return this.#union();
  }

  #union(): Schema {
    this.#skip("|");
    const options = [this.#intersection()];
    while (this.#skip("|")) options.push(this.#intersection());
    return oneOf(options);
  }

  #intersection(): Schema {
    const parts = [this.#postfix()];
    while (this.#skip("&")) parts.push(this.#postfix());
    return parts.length === 1 ? (parts[0] ?? {}) : merged(parts.map((part) => this.#names.whole(part)));
  }

  #postfix(): Schema {
    this.#skip("readonly");
    let schema = this.#primary();
    while (this.#peek() === "[") {
      this.#need("[");
      const index = this.#next();
      if (index === "]") schema = { type: "array", items: schema };
      else {
        this.#need("]");
        if (index !== "number") schema = member(this.#names.whole(schema), String(JSON.parse(index)), this.#path);
      }
    }
    return schema;
  }

  #primary(): Schema {
    const token = this.#next();
    if (token.startsWith('"')) return { const: JSON.parse(token) };
    if (/^\d/.test(token)) return { const: Number(token) };
    if (token === "{") {
      this.#at -= 1;
      return this.#object();
    }
    if (token === "(") {
      const inner = this.#union();
      this.#need(")");
      return inner;
    }
    if (token === "typeof") return { enum: this.#names.values(this.#next()) };
    if (this.#parameters.has(token)) return { type: "string" };
    if (token === "keyof") {
      this.#skip("typeof");
      this.#next();
      return { type: "string" };
    }
    if (Object.hasOwn(KEYWORDS, token)) return KEYWORDS[token] ?? {};
    return this.#peek() === "<" ? this.#generic(token) : this.#names.named(token);
  }

  #generic(name: string): Schema {
    this.#need("<");
    const given = [this.#union()];
    while (this.#skip(",")) given.push(this.#union());
    this.#need(">");
    const [first = {}, second = {}] = given;
    const whole = this.#names.whole(first);
    const keys = new Set(literals(second));
    if (name === "Readonly" || name === "ReadonlyArray")
      return name === "Readonly" ? first : { type: "array", items: first };
    if (name === "Partial") return { ...whole, required: [] };
    if (name === "Record") return { type: "object", additionalProperties: second };
    if (name === "Omit") return picked(whole, (key) => !keys.has(key));
    if (name === "Pick") return picked(whole, (key) => keys.has(key));
    // A generic of ours, such as InUse<string>: its one parameter is a string in JSON.
    return this.#names.named(name);
  }

  #object(): Schema {
    this.#need("{");
    const properties: Record<string, Schema> = {};
    const required: string[] = [];
    let doc: string | null = null;
    for (let token = this.#next(); token !== "}"; token = this.#next()) {
      if (token.startsWith("/**")) {
        doc = docOf(token);
        continue;
      }
      if (token === "readonly") continue;
      const isOptional = this.#skip("?");
      this.#need(":");
      properties[token] = { ...this.#union(), ...(doc !== null && { description: doc }) };
      this.#skip(";");
      if (!isOptional) required.push(token);
      doc = null;
    }
    return { type: "object", properties, required };
  }

  #typeParameters(): void {
    if (!this.#skip("<")) return;
    for (let token = this.#next(); token !== ">"; token = this.#next()) if (token !== ",") this.#parameters.add(token);
  }

  #peek(): string {
    return this.#tokens[this.#at] ?? "";
  }
  #next(): string {
    const token = this.#peek();
    this.#at += 1;
    if (token === "") throw new Error(`${this.#path}: a declaration has no end`);
    return token;
  }
  #skip(token: string): boolean {
    const isNext = this.#peek() === token;
    if (isNext) this.#at += 1;
    return isNext;
  }
  #need(token: string): void {
    if (!this.#skip(token)) {
      const near = this.#tokens.slice(this.#at - 6, this.#at + 4).join(" ");
      throw new Error(`${this.#path}: expected ${token} in: ${near}`);
    }
  }
}

function tokensOf(source: string): string[] {
  return (source.match(TOKEN) ?? []).filter((token) => token.startsWith("/**") || !/^\/[/*]/.test(token));
}

function importOf({ tokens }: Module, name: string): string | null {
  for (const [i, token] of tokens.entries()) {
    if (token !== "import") continue;
    const end = tokens.indexOf("from", i);
    const from = tokens[end + 1] ?? "";
    if (end > 0 && end - i < 60 && tokens.slice(i, end).includes(name) && from.startsWith('".'))
      return String(JSON.parse(from));
  }
  return null;
}

export function docOf(comment: string): string {
  return comment
    .replace(/^\/\*\*|\*\/$/g, "")
    .split("\n")
    .map((line) => line.replace(/^\s*\*\s?/, "").trim())
    .join(" ")
    .trim();
}

function oneOf(options: readonly Schema[]): Schema {
  const [only] = options;
  if (options.length === 1 && only !== undefined) return only;
  const constants = options.flatMap((each) => ("const" in each ? [each.const] : []));
  return constants.length === options.length ? { enum: constants } : { anyOf: options };
}

function literals(schema: Schema): string[] {
  if (Array.isArray(schema.enum)) return schema.enum.map(String);
  return "const" in schema ? [String(schema.const)] : [];
}

function merged(parts: readonly Schema[]): Schema {
  const of = (part: Schema, name: string) => (part[name] ?? {}) as object; // As `#object` made it.
  return {
    type: "object",
    properties: Object.assign({}, ...parts.map((part) => of(part, "properties"))),
    required: [...new Set(parts.flatMap((part) => (part.required ?? []) as string[]))],
  };
}

function picked(schema: Schema, keep: (key: string) => boolean): Schema {
  const properties = Object.entries((schema.properties ?? {}) as object).filter(([key]) => keep(key));
  return {
    type: "object",
    properties: Object.fromEntries(properties),
    required: ((schema.required ?? []) as string[]).filter(keep),
  };
}

function member(schema: Schema, name: string, path: string): Schema {
  const found = ((schema.properties ?? {}) as Record<string, Schema>)[name];
  if (found === undefined) throw new Error(`${path}: there is no member ${name}`);
  return found;
}
