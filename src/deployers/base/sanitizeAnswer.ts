import { decodings, dropKeyRuns } from "../../domain/keyText.ts";
import { MARKS, plainWords } from "../../domain/plainWords.ts";
import type { Secret } from "../../domain/secret.ts";
import { sanitize } from "../../domain/text.ts";
import { maskEncoded, type SecretSpellings, spellingsOf } from "./secretSpellings.ts";

const CHARACTERS_MAX = 400;
/** The end says why it stopped; searching all of a long answer takes time that grows with what a stranger sent. */
const SEARCHED_CHARACTERS_MAX = 64 * 1024;
/** Replaces a text that repeats a key: the caller may add an error code. */
export const HIDDEN = "[not shown: it repeats a private key]";
/** A private use character, so that no secret can be a part of the placeholder. */
const MASK = "\uE000";
/** From here on, one for each text that stays. */
const KNOWN_FIRST = 0xe001;
const KNOWN_MAX = 1_000;

/**
 * A target's error text as one bounded line. Nothing of it remains when it repeats a private key in any spelling;
 * secrets of other kinds become `[secret]`. If the call was handed a private key (`secrets` has one), only words of a
 * list stay (plainWords.ts) and everything else becomes `…`; otherwise long runs of base64 or hex become `[…]`. Its end
 * stays. This is for documented error texts and for programs that were given no key. Programs that were given one are
 * not quoted at all: `unquoted`.
 */
export function sanitizeAnswer(said: string, ...secrets: readonly (Secret | null)[]): string {
  return sanitizeKnown(said, { secrets, known: [] });
}

export interface Quoted {
  readonly secrets: readonly (Secret | null)[];
  /** Texts that stay although they look like a key, such as paths that options name. */
  readonly known: readonly string[];
  /** Who says it can read a private key, also one that `secrets` does not have. */
  readonly givenKey?: boolean;
}

/** As `sanitizeAnswer`. */
export function sanitizeKnown(foreign: string, { secrets, known, givenKey = false }: Quoted): string {
  // UTF-16 that was read as bytes has a NUL beside each letter.
  const said = foreign.slice(-SEARCHED_CHARACTERS_MAX).replaceAll("\0", "").replace(MARKS, "\uFFFD");
  const stages = decodings(said);
  const spellings = spellingsOf(secrets);
  if (stages.some((stage) => holdsKey(stage, spellings))) return HIDDEN;
  const masked = (text: string): string => maskPasswords(text, spellings);
  // Between two rounds of decoding, as a password may itself look like an escape.
  const text = stages.slice(1).reduce((last) => masked(decodings(last)[1] ?? last), masked(stages[0] ?? ""));
  const kept = known.slice(0, KNOWN_MAX);
  const marked = kept.reduce((last, one, index) => last.replaceAll(one, () => markOf(index)), text);
  const shown = givenKey || !spellings.base64.isEmpty ? plainWords(marked) : dropKeyRuns(marked);
  const unmarked = shown.replace(MARKS, (mark) => (mark === MASK ? mark : (kept[indexOf(mark)] ?? "")));
  return sanitize(unmarked, CHARACTERS_MAX, "end").replaceAll(MASK, "[secret]");
}

function markOf(index: number): string {
  return String.fromCharCode(KNOWN_FIRST + index);
}

function indexOf(mark: string): number {
  return mark.charCodeAt(0) - KNOWN_FIRST;
}

/**
 * Whether a text holds one of the secrets in any spelling, a piece of a private key, or any private key in PEM. A key
 * has thousands of pieces: they are gathered once for all texts. Texts that are harmless alone are asked about joined.
 */
export function secretFinder(secrets: readonly Secret[]): (text: string) => boolean {
  const spellings = spellingsOf(secrets);
  return (text) =>
    decodings(text.replaceAll("\0", "")).some(
      (stage) => holdsKey(stage, spellings) || maskPasswords(stage, spellings) !== stage,
    );
}

function maskPasswords(text: string, { passwords, plain }: SecretSpellings): string {
  return maskEncoded(passwords === null ? text : text.replace(passwords, MASK), plain, MASK);
}

/** Replaces the output of a program that was given the key. The length says whether there is anything to look for. */
export function unquoted(bytes: number): string {
  if (bytes === 0) return "it printed nothing";
  return `it printed ${bytes} bytes, not shown because it could read the private key; run it by hand to see them`;
}

function holdsKey(text: string, { base64, hex, bytes }: SecretSpellings): boolean {
  if (/BEGIN[A-Z\s]*PRIVATE\s*KEY/.test(text)) return true;
  const packed64 = text
    .replaceAll("-", "+")
    .replaceAll("_", "/")
    .replace(/[^A-Za-z0-9+/]+/g, "");
  if (base64.areIn(packed64)) return true;
  const packedHex = text
    .toLowerCase()
    .replace(/(?:0|\\)x/g, "")
    .replace(/[^0-9a-f]+/g, "");
  if (hex.areIn(packedHex)) return true;
  // Bytes that were escaped are characters after decoding. The words of a PEM's frame are in many harmless texts.
  const raw = Buffer.from(text, "latin1").toString("hex");
  return bytes.areIn(raw) || hex.areIn(bytesListed(text));
}

/** Numbers up to 255 as hex: how JavaScript and Go print bytes. */
function bytesListed(text: string): string {
  const numbers = [...text.matchAll(/\d+/g)].map(([digits]) => Number(digits)).filter((number) => number <= 255);
  return numbers.map((number) => number.toString(16).padStart(2, "0")).join("");
}
