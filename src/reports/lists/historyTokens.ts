import { EVENT_TYPES } from "../../domain/event.ts";
import type { HistoryFilter } from "../../domain/historySearch.ts";
import { REASONS, RENEWAL_STATES, TRIGGERS } from "../../domain/renewal.ts";
import { parseDuration } from "../../domain/time.ts";
import { invalid } from "./list.ts";

/** What a person types into the history's search, such as `name:shop error:acme. before:2026-11-01`. */
export const TOKENS = {
  name: "a part of a name",
  certificate: "exactly this certificate",
  serial: "a serial number, or its beginning",
  fp: "a SHA-256 fingerprint, or its beginning",
  target: "a target",
  actor: "who asked or decided",
  error: "an error code, or its beginning",
  issuer: "an issuer",
  state: "a renewal's state",
  reason: "why it was renewed",
  trigger: "planner or request",
  type: "a kind of event, such as deploy.failed",
  since: "2026-11-01, an instant, or 7d",
  before: "2026-11-01, an instant, or 7d",
} as const;
export type Token = keyof typeof TOKENS;

const LENGTH_MAX = 500;
const TOKENS_MAX = 20;
/** `token:value`, `token:"a value"`, or a word. */
const PART = /(?:([a-z]+):)?(?:"([^"]*)"|(\S+))/g;

interface Part {
  readonly token: Token | null;
  readonly value: string;
}

/** Throws `request.invalid` that names what is wrong. */
export function readTokens(text: string, now: number): HistoryFilter {
  const parts = partsOf(text);
  const of = (token: Token | null): string[] => parts.filter((part) => part.token === token).map(({ value }) => value);
  const [since] = of("since").map((value) => instant("since", value, now));
  const [before] = of("before").map((value) => instant("before", value, now));
  const [certificate] = of("certificate");
  return {
    ...(certificate !== undefined && { certificate }),
    names: of("name"),
    serials: of("serial").map(asHex("serial")),
    fingerprints: of("fp").map(asHex("fp")),
    targets: of("target"),
    actors: of("actor"),
    errors: of("error"),
    issuers: of("issuer"),
    words: of(null),
    states: of("state").map((value) => oneOf("state", RENEWAL_STATES, value)),
    reasons: of("reason").map((value) => oneOf("reason", REASONS, value)),
    types: of("type").map((value) => oneOf("type", EVENT_TYPES, value)),
    triggers: of("trigger").map((value) => oneOf("trigger", TRIGGERS, value)),
    ...(since !== undefined && { since }),
    ...(before !== undefined && { before }),
  };
}

/** The same search with this token set to these values instead. */
export function withToken(text: string, token: Token, values: readonly string[]): string {
  const others = partsOf(text).filter((part) => part.token !== token);
  return [...others, ...values.map((value) => ({ token, value }))].map(written).join(" ");
}

export function valuesOf(text: string, token: Token): string[] {
  return partsOf(text).flatMap((part) => (part.token === token ? [part.value] : []));
}

function partsOf(text: string): Part[] {
  if (text.length > LENGTH_MAX) throw invalid("q", `must be at most ${LENGTH_MAX} characters`);
  const parts = [...text.matchAll(PART)].map(([whole, token, quoted, bare]): Part => {
    if (token === undefined) return { token: null, value: quoted ?? bare ?? "" };
    if (isToken(token)) return { token, value: quoted ?? bare ?? "" };
    // Other words with a colon are words, such as `http://ca`; one letter off is a mistake that would find nothing.
    const meant = Object.keys(TOKENS).find((known) => isMisspelt(token, known));
    if (meant !== undefined) throw invalid("q", `there is no "${token}:"; did you mean ${meant}:?`);
    return { token: null, value: whole };
  });
  if (parts.length > TOKENS_MAX) throw invalid("q", `takes at most ${TOKENS_MAX} words`);
  return parts.filter(({ value }) => value !== "");
}

/** One letter missing, too many, another one, or two in the wrong order. */
function isMisspelt(word: string, known: string): boolean {
  if (known.length < 4 || Math.abs(word.length - known.length) > 1) return false;
  const from = [...known].findIndex((letter, index) => letter !== word[index]);
  if (from < 0) return true;
  const [rest, other] = [known.slice(from), word.slice(from)];
  return (
    rest.slice(1) === other.slice(1) ||
    rest.slice(1) === other ||
    rest === other.slice(1) ||
    (rest[0] === other[1] && rest[1] === other[0] && rest.slice(2) === other.slice(2))
  );
}

function isToken(word: string): word is Token {
  return Object.hasOwn(TOKENS, word);
}

function written({ token, value }: Part): string {
  const quoted = /[\s"]/.test(value) ? `"${value.replaceAll('"', "")}"` : value;
  return token === null ? quoted : `${token}:${quoted}`;
}

function oneOf<T extends string>(token: Token, known: readonly T[], value: string): T {
  const found = known.find((each) => each.toLowerCase() === value.toLowerCase());
  if (found === undefined) throw invalid(`q: ${token}`, `"${value.slice(0, 40)}" is none of ${known.join(", ")}`);
  return found;
}

function asHex(token: Token): (value: string) => string {
  return (value) => {
    if (!/^[0-9a-f:]{1,128}$/i.test(value)) throw invalid(`q: ${token}`, "must be hex digits, with colons or without");
    return value;
  };
}

function instant(token: Token, value: string, now: number): number {
  const agoMs = parseDuration(value, ["s", "m", "h", "d", "w"]);
  if (agoMs !== null) return now - agoMs;
  const at = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d{1,3})?)?Z?)?$/.test(value)
    ? Date.parse(value.length > 10 && !value.endsWith("Z") ? `${value}Z` : value)
    : Number.NaN;
  if (Number.isNaN(at))
    throw invalid(`q: ${token}`, "must be a date such as 2026-11-01, an instant, or 7d for seven days ago");
  return at;
}
