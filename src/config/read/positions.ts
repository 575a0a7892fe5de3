import { type Document, isAlias, isMap, isScalar, isSeq, type LineCounter, type Node, type Pair } from "yaml";

export type Path = readonly (string | number)[];

export interface Position {
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** The place of every value in the configuration's files. */
export interface Positions {
  /** Which mistakes come first: the configuration file, then those that it includes. */
  readonly files: readonly string[];
  /** Place of the value at `path`, or of its key; of the nearest thing around it when it is not in the file. */
  of(path: Path, at: "key" | "value"): Position;
  /** Place of a node of the document. */
  ofNode(node: Node): Position;
}

export function positionsIn(file: string, document: Document.Parsed, lines: LineCounter): Positions {
  const placeAt = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line, column: col };
  };
  return {
    files: [file],
    of: (path, at) => placeAt(offsetOf(document, path, at)),
    ofNode: (node) => placeAt(startOf(node) ?? 0),
  };
}

function offsetOf(document: Document.Parsed, path: Path, at: "key" | "value"): number {
  let node: Node | null = document.contents;
  let offset = startOf(node) ?? 0;
  for (const [i, part] of path.entries()) {
    const container = isAlias(node) ? (node.resolve(document) ?? null) : node;
    const last = i === path.length - 1;
    if (isMap(container)) {
      const pair = container.items.find((item) => keyText(item) === String(part));
      // A missing key is reported at the key of what should hold it, an empty value at its own key.
      if (!pair) return offset;
      // The composer puts nodes here; the type also allows values of hand-made documents.
      const value = pair.value as Node | null;
      const empty = value === null || (isScalar(value) && value.value === null);
      offset = startOf(pair.key) ?? offset;
      if (last && at === "value" && !empty) offset = startOf(value) ?? offset;
      node = value;
    } else if (isSeq(container)) {
      const item = container.items[Number(part)] as Node | undefined; // As above.
      if (!item) return offset;
      offset = startOf(item) ?? offset;
      node = item;
    } else return offset;
  }
  return offset;
}

export function keyText(pair: Pair): string | null {
  return isScalar(pair.key) ? String(pair.key.value) : null;
}

function startOf(node: unknown): number | null {
  return node !== null && typeof node === "object" && "range" in node && Array.isArray(node.range)
    ? Number(node.range[0])
    : null;
}
