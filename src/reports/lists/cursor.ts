export type SortValue = string | number | null;

/** The last row of a page: rows may come and go before the next page is asked for. */
export interface Cursor {
  readonly value: SortValue;
  readonly id: string;
}

const CURSOR_LENGTH_MAX = 1_000;

export function writeCursor({ value, id }: Cursor): string {
  return Buffer.from(JSON.stringify([value, id])).toString("base64url");
}

/** null: it is none. */
export function readCursor(text: string): Cursor | null {
  if (text.length > CURSOR_LENGTH_MAX || !/^[\w-]+$/.test(text)) return null;
  try {
    const read: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    if (!Array.isArray(read) || read.length !== 2) return null;
    const [value, id]: unknown[] = read;
    const isValue =
      value === null || typeof value === "string" || (typeof value === "number" && Number.isFinite(value));
    return isValue && typeof id === "string" ? { value, id } : null;
  } catch {
    return null;
  }
}
