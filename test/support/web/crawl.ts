/** A page as a reader without a browser gets it. */
export interface Link {
  readonly href: string;
  /** The number that the link claims; null: it claims none. */
  readonly count: number | null;
  readonly text: string;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&amp;": "&",
  "&lt;": "<",
  "&gt;": ">",
  "&quot;": '"',
  "&#39;": "'",
};

export function unescaped(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity] ?? entity);
}

export function linksOf(page: string): Link[] {
  return [...page.matchAll(/<a\s([^>]*)>([\s\S]*?)<\/a/g)].map(([, attributes = "", inside = ""]) => {
    const of = (name: string): string | null => new RegExp(`\\b${name}="([^"]*)"`).exec(attributes)?.[1] ?? null;
    const count = of("data-count");
    return {
      href: unescaped(of("href") ?? ""),
      count: count === null ? null : Number(count),
      text: unescaped(inside.replace(/<[^>]*>/g, ""))
        .replace(/\s+/g, " ")
        .trim(),
    };
  });
}

/** Lines of a CSV file without its head; a quoted cell may hold line breaks. */
export function csvRows(text: string): number {
  const withoutQuoted = text.replace(/"(?:[^"]|"")*"/g, "");
  return withoutQuoted.split("\r\n").filter((line) => line !== "").length - 1;
}
