/** The characters that `inert` spells out, less what JSON.stringify escapes by itself; a lone surrogate it escapes too. */
const ACTIVE_IN_JSON = /[\u007f-\u009f\p{Cf}\p{Zl}\p{Zp}]/gu;

/** JSON that is as inert in a terminal as `inert` text: such characters occur inside strings only, where JSON can spell them. */
export function inertJson(value: unknown): string {
  const json = JSON.stringify(value, null, 2);
  return json.replace(ACTIVE_IN_JSON, (character) =>
    Array.from(
      { length: character.length },
      (_, index) => `\\u${character.charCodeAt(index).toString(16).padStart(4, "0")}`,
    ).join(""),
  );
}

const NO_WIDTH = /\p{M}/u;
/** East Asian Wide and Fullwidth (Unicode UAX #11), by block: exact enough to keep columns straight. */
const WIDE =
  /[\u1100-\u115f\u2e80-\u303e\u3041-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}/u;

function characterWidth(character: string): number {
  if (NO_WIDTH.test(character)) return 0;
  return WIDE.test(character) ? 2 : 1;
}

/** Columns that inert text takes in a terminal. */
export function displayWidth(text: string): number {
  let width = 0;
  for (const character of text) width += characterWidth(character);
  return width;
}

/** Cuts inert text to at most `width` columns; … says that something is missing. */
export function truncate(text: string, width: number): string {
  if (displayWidth(text) <= width) return text;
  let kept = "";
  let used = 0;
  for (const character of text) {
    used += characterWidth(character);
    if (used > width - 1) break;
    kept += character;
  }
  return `${kept.trimEnd()}…`;
}

/** Breaks inert text at spaces into lines of at most `width` columns; after `linesMax` lines the rest is cut with …. */
export function wrap(text: string, width: number, linesMax = Number.POSITIVE_INFINITY): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(" ")) {
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
