import type { Secret } from "../../domain/secret.ts";
import { sanitize } from "../../domain/text.ts";

const CHARACTERS_MAX = 400;
/** Shorter lines of a PEM file or password say nothing, and hiding them would garble the message. */
const SECRET_CHARACTERS_MIN = 8;

/** What a target said, as one bounded line without any line of the secrets. Its end stays: that says why it stopped. */
export function sanitizeAnswer(said: string, ...secrets: readonly (Secret | null)[]): string {
  const lines = secrets.flatMap((secret) => (secret?.reveal() ?? "").split("\n"));
  const hidden = new Set(lines.filter((line) => line.length >= SECRET_CHARACTERS_MIN));
  const text = [...hidden].reduce((rest, piece) => rest.replaceAll(piece, "[secret]"), said);
  return sanitize(text, CHARACTERS_MAX, "end");
}
