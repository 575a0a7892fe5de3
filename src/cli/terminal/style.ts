import { styleText } from "node:util";
import { inert } from "../../domain/text.ts";

/** What a reader's eye should do with a piece of text. `proved` is kept for what a handshake proved. */
export type Style = "proved" | "wrong" | "caution" | "faint" | "strong";

const FORMATS = {
  proved: "green",
  wrong: "red",
  caution: "yellow",
  faint: "dim",
  strong: "bold",
} as const satisfies Record<Style, string>;

/** What a rendering may rely on. `width` is infinite when nobody looks: a pipe gets whole lines. */
export interface Screen {
  readonly width: number;
  readonly colours: boolean;
}

/** Makes text inert, then colours it. */
export function paint(screen: Screen, style: Style | null, text: string): string {
  const safe = inert(text);
  return style === null || !screen.colours ? safe : styleText(FORMATS[style], safe, { validateStream: false });
}
