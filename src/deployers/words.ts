import type { Secret } from "../domain/secret.ts";

const CHARS_MAX = 400;

/** What a target said, as one bounded line without control characters and without any line of the secret. */
export function forPeople(said: string, secret: Secret | null): string {
  const hidden = new Set((secret?.reveal() ?? "").split("\n").filter((line) => line.length > 8));
  const text = [...hidden]
    .reduce((rest, piece) => rest.replaceAll(piece, "[secret]"), said)
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, " ")
    .trim();
  // The end, because programs say first what they do and last why they stopped.
  return text.length > CHARS_MAX ? `… ${text.slice(-CHARS_MAX)}` : text;
}
