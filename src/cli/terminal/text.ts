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

/** One cell each, and no two of them make one character: nearly all that is ever shown. */
const PLAIN = /^[\x20-\x7e\xa1-\xac\xae-\u02ff\u2010-\u2027\u2190-\u21ff\u2500-\u257f\u2713-\u2718]*$/;
/** Two cells: the blocks that are wide or fullwidth (Unicode UAX #11). */
const WIDE =
  /[\u1100-\u115f\u2329\u232a\u2630-\u2637\u268a-\u268f\u2e80-\u303e\u3041-\u3247\u3250-\ua4cf\ua960-\ua97c\uac00-\ud7a3\uf900-\ufaff\ufe10-\ufe19\ufe30-\ufe6b\uff01-\uff60\uffe0-\uffe6\u{16fe0}-\u{18dff}\u{1aff0}-\u{1b2ff}\u{1d300}-\u{1d376}\u{1f200}-\u{1f265}\u{20000}-\u{3fffd}]/u;
/** Two cells, also of several joined ones (Unicode UTS #51). U+FE0F asks for the picture of what comes before. */
const EMOJI = /\p{Emoji_Presentation}|\ufe0f/u;
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\p{Cc}\p{Cf}\p{Mn}\p{Me}]/u;

let segmenter: Intl.Segmenter | undefined;

function graphemes(text: string): Iterable<{ readonly segment: string }> {
  segmenter ??= new Intl.Segmenter(undefined, { granularity: "grapheme" });
  return segmenter.segment(text);
}

/**
 * Terminal cells that inert text takes. The usual package for it, which a test compares this with, takes a fifth of the
 * time of `renewd --help` to be loaded.
 */
export function displayWidth(text: string): number {
  if (PLAIN.test(text)) return text.length;
  let width = 0;
  for (const { segment } of graphemes(text)) width += cellsOf(segment);
  return width;
}

function cellsOf(grapheme: string): number {
  if (EMOJI.test(grapheme)) return 2;
  let cells = 0;
  for (const character of grapheme) if (!INVISIBLE.test(character)) cells += WIDE.test(character) ? 2 : 1;
  return cells;
}

/** Cuts inert text to at most `width` cells; … says that something is missing. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const { segment } of graphemes(text)) {
    used += displayWidth(segment);
    if (used > width - 1) break;
    kept += segment;
  }
  return `${kept.trimEnd()}…`;
}

/** Words; a command in backticks of at most `codeMax` columns is one, so that it can be copied from the screen. */
function words(text: string, codeMax: number): string[] {
  const found: string[] = [];
  let code: string[] = [];
  for (const word of text.split(" ")) {
    code.push(word);
    const isOpen = code.join(" ").split("`").length % 2 === 0;
    if (isOpen && displayWidth(code.join(" ")) <= codeMax) continue;
    if (isOpen) found.push(...code);
    else found.push(code.join(" "));
    code = [];
  }
  return [...found, ...code];
}

/** A path or URL that is longer than a line goes on in the next one: its end is what tells two of them apart. */
function pieces(word: string, width: number): string[] {
  if (displayWidth(word) <= width || width < 1) return [word];
  const found: string[] = [];
  let piece = "";
  for (const { segment } of graphemes(word)) {
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
  const lines = inLines(
    words(text, width).flatMap((word) => pieces(word, width)),
    width,
  );
  const shown = lines.slice(0, linesMax);
  const last = shown.length - 1;
  if (lines.length > shown.length) shown[last] = `${shown[last] ?? ""} …`;
  return shown.map((each) => truncate(each, width));
}

/**
 * As `wrap`, of what somebody is to do: all of it, with each command in backticks whole. One that is longer than a line
 * is left to the terminal: copied from the screen it is still one line.
 */
export function wrapAdvice(text: string, width: number): string[] {
  const whole = (word: string): string[] => (word.includes("`") ? [word] : pieces(word, width));
  return inLines(words(text, Number.POSITIVE_INFINITY).flatMap(whole), width);
}

function inLines(found: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of found) {
    const longer = line === "" ? word : `${line} ${word}`;
    if (displayWidth(longer) <= width || line === "") {
      line = longer;
      continue;
    }
    lines.push(line);
    line = word;
  }
  return [...lines, line];
}

/** What was found and what to do about it, as sentences. `advice` null: nothing is to be done. */
export function withAdvice(found: string, advice: string | null): string {
  if (advice === null) return found;
  return `${found}${/[.!?]$/.test(found) ? "" : "."} ${advice}`;
}
