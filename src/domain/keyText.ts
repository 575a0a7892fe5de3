/**
 * Text that may repeat a key: decoded from the spellings that programs print in, and without its long runs of base64,
 * hex or numbers. It knows no key, so it works on text from anywhere.
 */

/** A PEM line is 64 characters; 24 hold 18 bytes, more than any name or number people need to read. */
const RUN_CHARACTERS_MIN = 24;
/**
 * Changes between upper case, lower case and digits in a run of that length: base64 has about 14, words fewer than 5.
 */
const CHANGES_MIN = 9;
const DROPPED = "[…]";

/** Encodings inside encodings: JSON in a URL in HTML is three deep. */
const DECODINGS_MAX = 4;

const JSON_ESCAPE = /\\(?:u([0-9a-f]{4})|x([0-9a-f]{2})|([nrtbf"'/\\]))/gi;
/** As PostgreSQL, Python 2 and C print bytes. */
const OCTAL_ESCAPE = /\\([0-3][0-7]{2})/g;
const PERCENT = /%([0-9a-f]{2})/gi;
const ENTITY = /&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(amp|lt|gt|quot|apos|sol|plus|equals|NewLine|nbsp));/gi;
const ENTITIES: Readonly<Record<string, string>> = {
  amp: "&",
  lt: "<",
  gt: ">",
  quot: '"',
  apos: "'",
  sol: "/",
  plus: "+",
  equals: "=",
  newline: "\n",
  nbsp: " ",
};
const CONTROLS: Readonly<Record<string, string>> = { n: "\n", r: "\r", t: "\t", b: "\b", f: "\f" };

/**
 * The text as it is, then after each round of decoding until nothing changes: JSON and shell escapes, percent,
 * entities.
 */
export function decodings(text: string): readonly string[] {
  const all = [text];
  for (let last = text; all.length <= DECODINGS_MAX; ) {
    const next = decode(last);
    if (next === last) break;
    all.push(next);
    last = next;
  }
  return all;
}

function decode(text: string): string {
  return text
    .replace(JSON_ESCAPE, (_all, unicode, hex, plain: string | undefined) =>
      plain === undefined ? character(unicode ?? hex, 16) : (CONTROLS[plain] ?? plain),
    )
    .replace(OCTAL_ESCAPE, (_all, octal: string) => character(octal, 8))
    .replace(PERCENT, (_all, hex: string) => character(hex, 16))
    .replace(ENTITY, (_all, hex, decimal, name: string | undefined) =>
      name === undefined
        ? character(hex ?? decimal, hex === undefined ? 10 : 16)
        : (ENTITIES[name.toLowerCase()] ?? ""),
    );
}

function character(digits: string, base: 8 | 10 | 16): string {
  const code = Number.parseInt(digits, base);
  return code <= 0x10ffff ? String.fromCodePoint(code) : "";
}

const TOKEN = /[A-Za-z0-9+/_=-]+/g;
const HEX_PAIRS = /(?:[0-9a-f]{2}[\s:.,-]+){7,}[0-9a-f]{2}/gi;
/** As programs print the secret numbers of a key, with or without its name in front: `d=2343…`. */
const LONG_NUMBER = /[0-9a-f]*\d{24,}[0-9a-f]*/gi;
/**
 * The bytes of a key as characters: many control characters close to each other, and what follows them up to text that
 * somebody wrote.
 */
const RAW_BYTES = /(?:(?!\s)\p{Cc}[\P{Cc}\s]{0,20}){6,}(?:(?![ -~]{16})[\s\S])*/gu;
const BYTE_LIST = /(?:\d{1,3}\s*[,;\s]\s*){11,}\d{1,3}/g;

/** More of them than names, versions and paths explain: a dump or a log of a key, in pieces. */
const ODD_TOKENS_MAX = 5;
/** A whole message names paths of its own. The shortest key has 21 pieces of eight characters. */
const ODD_TOKENS_OF_MESSAGE_MAX = 15;
export const LIKE_A_KEY = "[not shown: it looks like a private key]";

/**
 * Without its runs of 24 or more characters that look like a key, also when they are wrapped, quoted or spaced out.
 * Nothing remains of a text that has many such runs or short pieces of them, as a hex dump or a log has.
 */
export function dropKeyRuns(text: string): string {
  return oddTokens(text) > ODD_TOKENS_MAX ? LIKE_A_KEY : withoutRuns(text).replace(REPEATED, DROPPED);
}

/** The shortest private key takes 164 in base64, two fingerprints of certificates 128. */
const RUNS_CHARACTERS_MAX = 150;

/** For whole messages, which may name a fingerprint or two: whether there is more than these explain. */
export function looksLikeKey(text: string): boolean {
  const given = withoutFormats(text).replace(/\0/g, "");
  const shown = withoutRuns(given);
  const runs = shown.split(DROPPED).length - 1;
  const dropped = given.length - shown.length + runs * DROPPED.length;
  return oddTokens(text) > ODD_TOKENS_OF_MESSAGE_MAX || dropped > RUNS_CHARACTERS_MAX;
}

const INSTANT = /\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?/g;
/** Azure gives several of them with each error. */
const UUID = /\b[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\b/gi;
const PIECE = /[A-Za-z0-9+/]{4,}/g;
/** Words, names in camel case and either of them with a number: `TLSv1`, `importCertificate`, `AADSTS700021`. */
const PLAIN = /^[A-Z]*[a-z]*(?:[A-Z][a-z]+)*\d{0,7}$/;

function withoutFormats(text: string): string {
  return text.replace(INSTANT, " ").replace(UUID, " ");
}

/** No sentence has as many letters that stand alone: `od -c` and a key with a space after each character. */
const SINGLE_LETTER = /(?<![A-Za-z0-9])[A-Za-z](?![A-Za-z0-9])/g;
const SINGLE_LETTERS_MAX = 30;

/**
 * How many pieces of 4 or more letters and digits are neither words nor names (`/` joins words of a path), or how many
 * runs there are, if that is more: characters one by one have no such pieces.
 */
function oddTokens(text: string): number {
  const given = withoutFormats(text);
  if ((given.match(SINGLE_LETTER)?.length ?? 0) > SINGLE_LETTERS_MAX) return Number.POSITIVE_INFINITY;
  const odd = (given.match(PIECE) ?? []).filter((piece) => !piece.split("/").every((part) => PLAIN.test(part)));
  return Math.max(odd.length, withoutRuns(given).replace(REPEATED, DROPPED).split(DROPPED).length - 1);
}

function withoutRuns(text: string): string {
  const plain = [HEX_PAIRS, BYTE_LIST, LONG_NUMBER, RAW_BYTES].reduce(
    (last, run) => last.replace(run, DROPPED),
    text.replace(/\0/g, ""),
  );
  const dense = denseCharacters(plain);
  const isRun = (token: string, index: number): boolean =>
    (token.length >= RUN_CHARACTERS_MIN && (isHex(token) || isLongOdd(token))) ||
    dense.slice(index, index + token.length).includes(1);
  return plain.replace(TOKEN, (token, index: number) => (isRun(token, index) ? DROPPED : token));
}

/** What is between the pieces of one run. */
const REPEATED = /\[…\](?:[\s"'`,;.:\\|+()[\]{}<>=]*\[…\])+/g;

/**
 * Marks each character that is part of 24 letters and digits that change their kind as often as encoded bytes do. All
 * other characters are skipped: separators of a wrapped run, and those of names and paths.
 */
function denseCharacters(text: string): Uint8Array {
  const marks = new Uint8Array(text.length);
  const places: number[] = [];
  const changesUpTo: number[] = [];
  let last: Kind | null = null;
  for (let at = 0; at < text.length; at++) {
    const kind = kindOf(text.charCodeAt(at));
    if (kind === null) continue;
    places.push(at);
    changesUpTo.push((changesUpTo.at(-1) ?? 0) + (last === null || last === kind ? 0 : 1));
    last = kind;
    const first = places.length - RUN_CHARACTERS_MIN;
    if (first < 0) continue;
    const changes = (changesUpTo.at(-1) ?? 0) - (changesUpTo[first] ?? 0);
    if (changes >= CHANGES_MIN) for (const place of places.slice(first)) marks[place] = 1;
  }
  return marks;
}

/** No word or name, though it changes its kind of character seldom. */
function isLongOdd(token: string): boolean {
  return token.split(/[/+_=-]/).some((part) => part.length >= RUN_CHARACTERS_MIN && !PLAIN.test(part));
}

function isHex(token: string): boolean {
  const digits = token.replace(/[/_=-]/g, "");
  return /^[0-9a-f]+$/i.test(digits) && /(?:\d.*){3}/.test(digits);
}

type Kind = "digit" | "lower" | "upper";

function kindOf(code: number): Kind | null {
  if (code >= 0x30 && code <= 0x39) return "digit";
  if (code >= 0x61 && code <= 0x7a) return "lower";
  return code >= 0x41 && code <= 0x5a ? "upper" : null;
}
