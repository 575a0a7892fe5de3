import type { Secret } from "../../../domain/secret.ts";
import { sanitize } from "../../../domain/text.ts";

const CHARACTERS_MAX = 300;
const LINE_CHARACTERS_MIN = 16;

/**
 * A provider's documented error text as one bounded line, without the credentials it may repeat: as they are, and as
 * JSON, URLs and Basic authentication write them.
 */
export function quote(text: string, secrets: readonly Secret[]): string {
  const spellings = secrets.map((secret) => secret.reveal()).flatMap(spelled);
  const masked = spellings.reduce((rest, spelling) => rest.replaceAll(spelling, "[secret]"), text.slice(0, 8192));
  return sanitize(masked, CHARACTERS_MAX);
}

function spelled(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const url = encodeURIComponent(secret);
  const form = new URLSearchParams([["", secret]]).toString().slice(1);
  const bytes = Buffer.from(secret);
  const encoded = [json, url, form, bytes.toString("base64"), bytes.toString("base64url")];
  // Of a key in several lines (also where JSON writes the line breaks), a single line says enough.
  const lines = secret.split(/\\n|\n/).filter((line) => line.length >= LINE_CHARACTERS_MIN);
  return [secret, ...encoded, ...lines].filter((spelling) => spelling.length > 3).sort((a, b) => b.length - a.length);
}
