import stringWidth from "string-width";

/**
 * The characters that `inert` spells out, less what JSON.stringify escapes by itself; a lone surrogate it escapes too.
 */
const ACTIVE_IN_JSON = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;

/**
 * JSON that is as inert in a terminal as `inert` text: such characters occur inside strings only, where JSON can spell
 * them.
 */
export function inertJson(value: unknown): string {
  const json = JSON.stringify(value, null, 2);
  return json.replace(ACTIVE_IN_JSON, (character) =>
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`,
    ).join(""),
  );
}

const GRAPHEMES = new Intl.Segmenter(undefined, { granularity: "grapheme" });

/** Terminal cells that inert text takes. */
export function displayWidth(text: string): number {
  return stringWidth(text);
}

/** Cuts inert text to at most `width` cells; … says that something is missing. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const { segment } of GRAPHEMES.segment(text)) {
    used += stringWidth(segment);
    if (used > width - 1) break;
    kept += segment;
  }
  return `${kept.trimEnd()}…`;
}

/** Words; a command in backticks is one word as long as it fits, so that it can be copied from the screen. */
function words(text: string, width: number): string[] {
  const found: string[] = [];
  let code: string[] = [];
  for (const word of text.split(" ")) {
    code.push(word);
    const isOpen = code.join(" ").split("`").length % 2 === 0;
    if (isOpen && displayWidth(code.join(" ")) <= width) continue;
    if (isOpen) found.push(...code);
    else found.push(code.join(" "));
    code = [];
  }
  return [...found, ...code].flatMap((word) => pieces(word, width));
}

/** A path or URL that is longer than a line goes on in the next one: its end is what tells two of them apart. */
function pieces(word: string, width: number): string[] {
  if (displayWidth(word) <= width || width < 1) return [word];
  const found: string[] = [];
  let piece = "";
  for (const { segment } of GRAPHEMES.segment(word)) {
    if (piece !== "" && displayWidth(piece + segment) > width) {
      found.push(piece);
      piece = "";
    }
    piece += segment;
  }
  return [...found, piece];
}

/** Breaks inert text at spaces into lines of at most `width` columns; after `linesMax` lines the rest is cut with …. */
export function wrap(text: string, width: number, linesMax = Number.POSITIVE_INFINITY): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of words(text, width)) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (displayWidth(longer) <= width || line === "") {
      line = longer;
      continue;
    }
    lines.push(line);
    line = word;
  }
  lines.push(line);
  const shown = lines.slice(0, linesMax);
  const last = shown.length - 1;
  if (lines.length > shown.length) shown[last] = `${shown[last] ?? ""} …`;
  return shown.map((each) => truncate(each, width));
}
