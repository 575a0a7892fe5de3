import type { Secret } from "../../domain/secret.ts";

const CHARS_MAX = 400;
/** Shorter lines of a PEM file or password say nothing, and hiding them would garble the message. */
const SECRET_CHARS_MIN = 8;

/** What a target said, as one bounded line without control characters and without any line of the secrets. */
export function sanitize(said: string, ...secrets: readonly (Secret | null)[]): string {
  const hidden = new Set(
    secrets.flatMap((secret) => (secret?.reveal() ?? "").split("\n").filter((line) => line.length >= SECRET_CHARS_MIN)),
  );
  const text = [...hidden]
    .reduce((rest, piece) => rest.replaceAll(piece, "[secret]"), said)
    .replace(/[\p{Cc}\p{Cf}\s]+/gu, " ")
    .trim();
  // The end, because programs say first what they do and last why they stopped.
  return text.length > CHARS_MAX ? `… ${text.slice(-CHARS_MAX)}` : text;
}
