import type { Node } from "yaml";
import type { Path, Position, Positions } from "./positions.ts";
import { quote } from "./suggestions.ts";

/** One mistake and its place: what is wrong and what to do, on one line, never with a secret in it. */
export interface ConfigProblem {
  readonly file: string;
  /** 1-based; 0 when the file could not be read at all. */
  readonly line: number;
  readonly column: number;
  readonly message: string;
}

/** More than anyone fixes at once; a broken generator could cause one per line. */
const PROBLEMS_MAX = 200;

/** Collects everything that is wrong. */
export class Problems {
  readonly #places: Positions;
  readonly #found: ConfigProblem[] = [];
  readonly #notes: ConfigProblem[] = [];
  constructor(places: Positions) {
    this.#places = places;
  }
  /**
   * `at: "key"` points to the name of the entry instead of its value. A message that is costly to make is made only
   * when it is kept.
   */
  add(path: Path, message: string | (() => string), at: "key" | "value" = "value"): void {
    if (this.#found.length < PROBLEMS_MAX)
      this.addAt(this.#places.of(path, at), path, typeof message === "string" ? message : message());
  }
  addAtNode(node: Node, path: Path, message: string): void {
    this.addAt(this.#places.ofNode(node), path, message);
  }
  addAt({ file, line, column }: Position, path: Path, message: string): void {
    if (this.#found.length >= PROBLEMS_MAX) return;
    const where = pathText(path);
    this.#found.push({ file, line, column, message: where === "" ? message : `${where}: ${message}` });
  }
  /** Something that works, at the name of the entry. */
  note(path: Path, message: string): void {
    const place = this.#places.of(path, "key");
    if (this.#notes.length < PROBLEMS_MAX) this.#notes.push({ ...place, message: `${pathText(path)}: ${message}` });
  }
  /** `in line 7`, `in the database`, or `in certs.d/a.yaml:7` as seen from another file: for messages about two that disagree. */
  whereIs(path: Path, from: Path): string {
    const { file, line } = this.#places.of(path, "key");
    if (line === 0) return `in the ${file}`;
    return file === this.#places.of(from, "key").file ? `in line ${line}` : `in ${file}:${line}`;
  }
  get any(): boolean {
    return this.#found.length > 0;
  }
  list(): readonly ConfigProblem[] {
    return inFileOrder(this.#found, this.#places.files);
  }
  notes(): readonly ConfigProblem[] {
    return inFileOrder(this.#notes, this.#places.files);
  }
}

function inFileOrder(problems: readonly ConfigProblem[], files: readonly string[]): ConfigProblem[] {
  const order = new Map(files.map((file, index) => [file, index]));
  const orderOf = ({ file }: ConfigProblem): number => order.get(file) ?? files.length;
  return problems.toSorted((a, b) => orderOf(a) - orderOf(b) || a.line - b.line || a.column - b.column);
}

/** `certificates.www.names[2]` */
function pathText(path: Path): string {
  return path
    .map((part, i) => (typeof part === "number" ? `[${part}]` : `${i === 0 ? "" : "."}${plain(part)}`))
    .join("");
}

/** Keys come from the file: one that could break a line or a terminal is quoted. */
function plain(key: string): string {
  return /^[\w.@{}-]{1,80}$/.test(key) ? key : quote(key);
}

/** `renewd.yaml:3:5: issuers.le.directory: must be …`, one line each. */
export function describeProblems(problems: readonly ConfigProblem[]): string {
  return problems
    .map(({ file, line, column, message }) =>
      line === 0 ? `${file}: ${message}` : `${file}:${line}:${column}: ${message}`,
    )
    .join("\n");
}
