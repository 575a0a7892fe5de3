import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  Lexer,
  LineCounter,
  type Node,
  type Pair,
  parseDocument,
  type YAMLError,
} from "yaml";
import { addMisindented } from "./indentation.ts";
import { keyText, type Path, type Positions, positionsIn } from "./positions.ts";
import { type ConfigProblem, Problems } from "./problems.ts";
import { readQuickly } from "./quickYaml.ts";

/** Aliases are a convenience for a few repeated lines; more is the "billion laughs" attack. */
const ALIASES_MAX = 50;

/** In the whole text, counted before it is composed. */
const ALIASES_IN_TEXT_MAX = 500;

/** yaml's own messages quote the text at fault, which may be a secret: say it in our words. */
const SYNTAX: Readonly<Record<string, string>> = {
  TAB_AS_INDENT: "indent with spaces: YAML forbids tabs here",
  BAD_INDENT: "the indentation does not fit the lines above, or a bracket was not closed",
  MULTILINE_IMPLICIT_KEY: "a key must be on one line: is a colon, quote or bracket missing above?",
  BLOCK_AS_IMPLICIT_KEY:
    "a list or mapping cannot begin here: put it on a line of its own, indented, or quote a text that holds a colon",
  BAD_SCALAR_START: "quote a text that begins with @, % or a backtick",
  UNEXPECTED_TOKEN: "this does not fit here: check indentation, colons and dashes",
  MISSING_CHAR: "a colon, quote or bracket is missing",
  MULTIPLE_DOCS: "only one document is allowed: remove the line with ---",
  TAG_RESOLVE_FAILED: "tags (!name) are not supported: remove it",
  BAD_DQ_ESCAPE: "unknown escape in double quotes: use single quotes, or double the backslash",
  RESOURCE_EXHAUSTION: "nested too deeply",
};

export interface ParsedDocument {
  /** Plain data. */
  readonly data: unknown;
  readonly places: Positions;
}

/**
 * Reads YAML 1.2 into plain data, refusing what could mislead: doubled keys, odd keys, tags, many aliases. `begin`: what
 * an empty file lacks.
 */
export function parseYaml(
  file: string,
  text: string,
  begin = "version: 1",
): ParsedDocument | { readonly problems: readonly ConfigProblem[] } {
  const quick = readQuickly(text);
  if (quick !== null) {
    const places = placesWhenAsked(file, text);
    const problems = new Problems(places);
    addMisindented(quick, problems);
    return problems.any ? { problems: problems.list() } : { data: quick, places };
  }
  const tooMany = text.includes("*") ? aliasTooMany(text) : null;
  if (tooMany !== null) return { problems: [{ file, ...tooMany, message: TOO_MANY_ALIASES }] };
  const lines = new LineCounter();
  const document = composed(text, lines);
  // One wrong indentation makes the rest of the file wrong: only the first fault is the person's.
  const [fault] = [...document.errors, ...document.warnings].sort((a, b) => a.pos[0] - b.pos[0]);
  if (fault !== undefined) return { problems: [syntaxProblem(file, text, fault, lines)] };
  const problems = new Problems(positionsIn(file, document, lines));
  if (document.directives.yaml.version !== "1.2") problems.add([], "remove the %YAML directive: renewd reads YAML 1.2");
  if (document.contents === null) problems.add([], `the file is empty: begin with \`${begin}\``);
  else if (!isMap(document.contents)) problems.add([], `the file must hold keys and values: begin with \`${begin}\``);
  checkNode(document.contents, [], { lineOf: lineIn(lines), problems, anchors: new Set() });
  const data = problems.any ? null : toData(document, problems);
  if (!problems.any) addMisindented(data, problems);
  return problems.any ? { problems: problems.list() } : { data, places: placesWhenAsked(file, text) };
}

function composed(text: string, lines: LineCounter): Document.Parsed {
  // uniqueKeys compares every key with every other; checkNode needs one pass.
  return parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, strict: true, merge: true });
}

/**
 * The places of a text without faults. It is composed again when the first place is asked for: a tree of nodes takes ten
 * times the memory of the text, and most files have no mistakes.
 */
function placesWhenAsked(file: string, text: string): Positions {
  let places: Positions | null = null;
  const asked = (): Positions => {
    if (places !== null) return places;
    const lines = new LineCounter();
    places = positionsIn(file, composed(text, lines), lines);
    return places;
  };
  return { files: [file], of: (path, at) => asked().of(path, at), ofNode: (node) => asked().ofNode(node) };
}

function lineIn(lines: LineCounter): Walk["lineOf"] {
  return ({ range }) => lines.linePos(range?.[0] ?? 0).line;
}

const TOO_MANY_ALIASES = `more than ${ALIASES_IN_TEXT_MAX} aliases (*name) in one file: write the values out`;
/** The lexer's mark before a text that is not quoted: what follows may begin with a star. */
const SCALAR_MARK = "\u001f";

/** Where the first alias beyond the limit is; null: there are fewer. */
export function aliasTooMany(text: string): { readonly line: number; readonly column: number } | null {
  let [offset, aliases] = [0, 0];
  let before = "";
  for (const token of new Lexer().lex(text)) {
    if (token.startsWith("*") && before !== SCALAR_MARK) aliases += 1;
    if (aliases > ALIASES_IN_TEXT_MAX) {
      const above = text.slice(0, offset).split("\n");
      return { line: above.length, column: (above.at(-1)?.length ?? 0) + 1 };
    }
    // Marks are in no text.
    if (text.startsWith(token, offset)) offset += token.length;
    before = token;
  }
  return null;
}

/** A value that begins without a quote and has the placeholder in it, which inside braces is YAML's own mapping. */
const BARE_PLACEHOLDER = /:\s+(?!["'[]|\{(?!certificate\}))[^"'\n,]*?(\{certificate\})/d;

function syntaxProblem(file: string, text: string, fault: YAMLError, lines: LineCounter): ConfigProblem {
  const { line, col } = lines.linePos(fault.pos[0]);
  const written = text.split("\n", line)[line - 1] ?? "";
  const [at] = BARE_PLACEHOLDER.exec(written)?.indices?.[1] ?? [];
  if (at !== undefined) {
    const message =
      'quote the text with {certificate} in it, as in "{certificate}.pem": ' +
      "braces at its start, or inside { … }, are YAML's";
    return { file, line, column: at + 1, message };
  }
  return {
    file,
    line,
    column: col,
    message: SYNTAX[fault.code] ?? `not valid YAML (${fault.code.toLowerCase().replaceAll("_", " ")})`,
  };
}

interface Walk {
  readonly lineOf: (node: Pick<Node, "range">) => number;
  readonly problems: Problems;
  /** Names of the anchors so far. An alias that searches for its own reads the whole document each time. */
  readonly anchors: Set<string>;
}

/** A doubled key would silently win over the first; `__proto__` would reach into every object. */
function checkNode(node: Node | null, path: Path, walk: Walk): void {
  const { lineOf, problems, anchors } = walk;
  if (isAlias(node) && !anchors.has(node.source))
    problems.add(path, "this alias (*name) refers to no anchor (&name) above");
  if ((isScalar(node) || isSeq(node) || isMap(node)) && node.anchor !== undefined) anchors.add(node.anchor);
  if (isSeq(node)) {
    // Nodes, as composed.
    for (const [i, item] of node.items.entries()) checkNode(item as Node | null, [...path, i], walk);
  }
  if (!isMap(node)) return;
  const seen = new Map<string, Node>();
  let empty: Pair | null = null;
  for (const pair of node.items) {
    const key = keyText(pair);
    if (key === null || !isScalar(pair.key)) {
      problems.add(path, "keys must be plain words");
      continue;
    }
    if (key === "__proto__") problems.add([...path, key], "this key is not allowed", "key");
    const first = seen.get(key);
    if (first !== undefined && empty !== null && isScalar(empty.key)) {
      // One mistake, and not one for each line below it.
      const why = `is empty, and what is below it was defined in line ${lineOf(first)} already: check the indentation`;
      problems.addAtNode(empty.key, [...path, keyText(empty) ?? ""], why);
      return;
    }
    if (first !== undefined)
      problems.addAtNode(
        pair.key,
        [...path, key],
        `defined twice, first in line ${lineOf(first)}: rename or remove one`,
      );
    else seen.set(key, pair.key);
    if (isEmpty(pair)) empty = pair;
    checkNode(pair.value as Node | null, [...path, key], walk); // A node, as composed.
  }
}

function isEmpty({ value }: Pair): boolean {
  return value === null || (isScalar(value) && value.value === null);
}

function toData(document: Document.Parsed, problems: Problems): unknown {
  try {
    return document.toJS({ maxAliasCount: ALIASES_MAX });
  } catch {
    problems.add([], `more than ${ALIASES_MAX} values come from aliases (*name): write them out`);
    return null;
  }
}
