import { ERROR_WORDS } from "./errorWords.ts";

/** Stands for everything that is not on the list. */
export const LEFT_OUT = "…";

/** Private use characters: the caller's own marks for text that stays. Foreign ones are removed. */
export const MARKS: RegExp = /[\uE000-\uF8FF]/g;

/** Between these, letters belong together: `SSL_CTX_use_PrivateKey`, `/etc/nginx`, `iam:UploadServerCertificate`. */
const TOKEN = /[^\s"'`()[\]{}<>,;:!?|…\uE000-\uF8FF]+(?:'[st]\b)?/g;
const SHORT_FORM = /'[st]$/;
const JOINTS = /[._/=+@%#&*$~^\\-]+/;
const CAMEL = /[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+/g;
const LEFT_OUT_AGAIN = /…(?:[\s"'`,;:|+()[\]{}<>=./\\-]*…)+/g;
const PUNCTUATION_RUN = /[^\p{L}\p{N}\s…\uE000-\uF8FF]{5,}/gu;

/** Bytes, as octal or decimal numbers. */
const NUMBER_LIST = /(?<![\w.])\d+(?:[\s,;]+\d+(?![\w.])){2,}/g;

const NUMBER_DIGITS_MAX = 5;
/** `AADSTS7000215` */
const NUMBER_OF_WORD_DIGITS_MAX = 7;
/** A message has a status, a line, a size; a list of numbers may be bytes. */
const NUMBERS_MAX = 5;
/** Of a word, so that it counts as one: letters of a key may be `at` by chance. */
const WORD_LETTERS_MIN = 3;
/** More that is left out than is shown: no message that somebody wrote. */
const LEFT_OUT_PER_WORD_MAX = 1.5;

/**
 * Only the words of a message that are known beforehand (errorWords.ts), its small numbers and its punctuation;
 * anything else becomes `…`. For what comes from somebody who was given a secret: no list of what a secret looks like
 * is ever complete, so this lists what may be shown. Empty: no sentence is left.
 */
export function plainWords(text: string): string {
  let numbers = 0;
  let words = 0;
  let leftOut = 0;
  const judge = (token: string): string => {
    const parts = token
      .replace(SHORT_FORM, "")
      .split(JOINTS)
      .filter((part) => part !== "");
    if (parts.length === 0) return token;
    if (!parts.every(isPlain)) {
      leftOut += 1;
      return LEFT_OUT;
    }
    if (parts.some((part) => /^\d+$/.test(part))) {
      numbers += 1;
      if (numbers > NUMBERS_MAX) return LEFT_OUT;
    }
    if (parts.some((part) => part.length >= WORD_LETTERS_MIN && /[a-z]/i.test(part))) words += 1;
    return token;
  };
  const bare = text.replace(PUNCTUATION_RUN, LEFT_OUT).replace(NUMBER_LIST, LEFT_OUT);
  const shown = bare.replace(TOKEN, judge).replace(LEFT_OUT_AGAIN, LEFT_OUT);
  return words === 0 || leftOut > Math.max(2, words * LEFT_OUT_PER_WORD_MAX) ? "" : shown;
}

function isPlain(part: string): boolean {
  if (ERROR_WORDS.has(part.toLowerCase()) && /^(?:[A-Z]*\d*[a-z]*|[A-Z][a-z]*\d*[a-z]*)\d*$/.test(part)) return true;
  const pieces = part.match(CAMEL) ?? [];
  if (pieces.join("") !== part) return false;
  const [first = "", ...rest] = pieces;
  if (/^\d/.test(first)) return rest.length === 0 && first.length <= NUMBER_DIGITS_MAX;
  const last = pieces.at(-1) ?? "";
  const numbered = pieces.length > 1 && /^\d/.test(last);
  if (numbered && last.length > NUMBER_OF_WORD_DIGITS_MAX) return false;
  return (numbered ? pieces.slice(0, -1) : pieces).every((piece) => ERROR_WORDS.has(piece.toLowerCase()));
}
