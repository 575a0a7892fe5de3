/**
 * Text that comes from CAs, endpoints, targets and people. Every edge where foreign text enters makes it one bounded
 * line; every edge where it leaves escapes it by the rules of that place.
 */

/**
 * Control, format (bidirectional overrides), surrogate and line separator characters: they act instead of being read.
 */
const ACTIVE = /[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu;
/** As long as a DNS name may be. */
const NAME_CHARACTERS_MAX = 255;
const WHITE_SPACE = /\s+/gu;

/**
 * One line of at most `charactersMax` characters. White space becomes one space, active characters become U+FFFD.
 * `keep` says which part stays when the text is too long: programs say last why they stopped.
 */
export function sanitize(text: string, charactersMax: number, keep: "start" | "end" = "start"): string {
  // Bounded first: replacing takes time that grows with what a stranger sent.
  const bounded = keep === "start" ? text.slice(0, charactersMax * 4) : text.slice(-charactersMax * 4);
  const line = bounded.replace(WHITE_SPACE, " ").replace(ACTIVE, "\uFFFD").trim();
  if (line.length <= charactersMax) return line;
  return keep === "start" ? `${line.slice(0, charactersMax - 1)}…` : `…${line.slice(-(charactersMax - 1))}`;
}

/**
 * The same text with its active characters spelled out, such as `\x1b`: something to read in a terminal and nothing
 * more.
 */
export function inert(text: string): string {
  return text.replace(ACTIVE, (character) => {
    const code = character.codePointAt(0) ?? 0;
    return code < 0x100 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u{${code.toString(16)}}`;
  });
}

/** As `inert`, but a line break stays one: for messages that list several things. */
export function inertLines(text: string): string {
  return text.split(/\r?\n/).map(inert).join("\n");
}

/** As `inert`, in one line: for values that are kept or sent as one. */
export function inertLine(text: string): string {
  return inert(text.replace(/\s*[\r\n]\s*/g, " "));
}

/**
 * A distinguished name as OpenSSL prints it, one part a line, as one bounded line. Node declares a string but gives
 * undefined for an empty name.
 */
export function nameLine(distinguishedName: string | undefined): string {
  return sanitize((distinguishedName ?? "").split("\n").join(", "), NAME_CHARACTERS_MAX);
}
