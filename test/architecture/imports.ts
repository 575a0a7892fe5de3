/**
 * Reads a file's imports without a compiler (TypeScript 7 has no stable API): `mask` blanks what only looks like code
 * (comments, the inside of strings, templates and regular expressions) at unchanged offsets; patterns run over the
 * rest.
 */

export interface Import {
  readonly specifier: string;
  /** Erased when run: `import type`, or every name marked `type`. */
  readonly typesOnly: boolean;
  /** `import(…)`: loaded when that line runs. */
  readonly dynamic: boolean;
  readonly line: number;
}

export interface FileImports {
  readonly imports: readonly Import[];
  /** Lines with `import(expression)` or `require(…)`: they would hide an import from this reader. */
  readonly computed: readonly number[];
}

/** A slash begins a regular expression, not a division, when an expression cannot have ended just before it. */
const BEFORE_REGEX = /(?:^|[(,=:[!&|?{};+\-*%<>~^]|\b(?:return|typeof|case|in|of|void|delete|throw|await|yield))\s*$/;

export function mask(source: string): string {
  let out = "";
  let at = 0;
  /** For each open template expression: how many braces are open inside it. */
  const templates: number[] = [];

  const blank = (end: number): void => {
    out += source.slice(at, end).replace(/[^\n]/g, " ");
    at = end;
  };
  const copy = (): void => {
    out += source[at];
    at++;
  };
  const find = (text: string, from: number): number => {
    const found = source.indexOf(text, from);
    return found === -1 ? source.length : found;
  };
  const templateText = (): void => {
    let end = at;
    while (end < source.length && source[end] !== "`" && !source.startsWith("${", end))
      end += source[end] === "\\" ? 2 : 1;
    blank(Math.min(end, source.length));
    if (source[at] === "`") copy();
    else if (at < source.length) {
      blank(at + 2);
      templates.push(0);
    }
  };
  const quoted = (close: string): void => {
    copy();
    let end = at;
    while (end < source.length && source[end] !== close && source[end] !== "\n") end += source[end] === "\\" ? 2 : 1;
    blank(Math.min(end, source.length));
    if (source[at] === close) copy();
  };
  const regex = (): void => {
    let end = at + 1;
    let inClass = false;
    while (end < source.length && source[end] !== "\n" && (inClass || source[end] !== "/")) {
      if (source[end] === "[") inClass = true;
      if (source[end] === "]") inClass = false;
      end += source[end] === "\\" ? 2 : 1;
    }
    blank(Math.min(end + 1, source.length));
  };

  while (at < source.length) {
    const char = source[at];
    const open = templates.at(-1);
    if (source.startsWith("//", at)) blank(find("\n", at));
    else if (source.startsWith("/*", at)) blank(Math.min(find("*/", at + 2) + 2, source.length));
    else if (char === '"' || char === "'") quoted(char);
    else if (char === "`") {
      copy();
      templateText();
    } else if (char === "/" && BEFORE_REGEX.test(out.slice(-40))) regex();
    else if (char === "{" && open !== undefined) {
      templates[templates.length - 1] = open + 1;
      copy();
    } else if (char === "}" && open === 0) {
      templates.pop();
      blank(at + 1);
      templateText();
    } else if (char === "}" && open !== undefined) {
      templates[templates.length - 1] = open - 1;
      copy();
    } else copy();
  }
  return out;
}

// In masked text a string is two quotes with blanks between, so a quote ends what came before it.
const STATEMENT =
  /(?<![.\w$])(import|export)\b(\s+type\b(?!\s*,|\s+from\b))?([\s\w$*,{}]*?)(?:(?<=[\s}*])from\s*)?(["'])( *)\4/g;
const DYNAMIC = /(?<![.\w$])(?:import|require)\s*\(\s*(?:(["'])( *)\1)?/g;

export function readImports(source: string): FileImports {
  const masked = mask(source);
  const lineAt = (offset: number): number => masked.slice(0, offset).split("\n").length;
  const imports: Import[] = [];
  const computed: number[] = [];
  for (const match of masked.matchAll(STATEMENT)) {
    const [whole, keyword = "", typeKeyword, clause = "", , blanks = ""] = match;
    // `export const x = "…"` cannot match (`=`), `export { x }` followed by a string statement could: it lacks `from`.
    if (keyword === "export" && !/\bfrom\s*["'] *["']$/.test(whole)) continue;
    const end = match.index + whole.length - 1;
    const specifier = source.slice(end - blanks.length, end);
    imports.push({
      specifier,
      typesOnly: typeKeyword !== undefined || everyNameIsType(clause),
      dynamic: false,
      line: lineAt(match.index),
    });
  }
  for (const match of masked.matchAll(DYNAMIC)) {
    const line = lineAt(match.index);
    if (match[2] === undefined) {
      if (!declaresMethod(masked, match.index)) computed.push(line);
      continue;
    }
    const end = match.index + match[0].length - 1;
    const before = masked.slice(0, match.index);
    const typesOnly = /(?:\btypeof|[:<|&])\s*$/.test(before);
    imports.push({ specifier: source.slice(end - match[2].length, end), typesOnly, dynamic: true, line });
  }
  return { imports, computed };
}

/** `import(request: Request): Answer` in an interface, `async import({ a }) {` in an object: a method of that name. */
function declaresMethod(masked: string, start: number): boolean {
  if (!/(?:^|[{};,]|\basync)$/.test(masked.slice(0, start).trimEnd())) return false;
  let end = masked.indexOf("(", start);
  let depth = 0;
  do {
    if (masked[end] === "(") depth++;
    if (masked[end] === ")") depth--;
    end++;
  } while (depth > 0 && end < masked.length);
  return /^\s*[{:]/.test(masked.slice(end));
}

function everyNameIsType(clause: string): boolean {
  const braces = /^\s*\{([^}]*)\}\s*$/.exec(clause)?.[1];
  if (braces === undefined) return false;
  const list = braces.split(",").filter((name) => name.trim() !== "");
  return list.length > 0 && list.every((name) => /^\s*type\s/.test(name));
}
