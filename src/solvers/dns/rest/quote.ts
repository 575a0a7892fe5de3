import { dropKeyRuns } from "../../../domain/keyText.ts";
import type { Secret } from "../../../domain/secret.ts";
import { sanitize } from "../../../domain/text.ts";

const CHARACTERS_MAX = 300;
const LINE_CHARACTERS_MIN = 16;

/**
 * A provider's documented error text or the end of a script's output as one bounded line, without the credentials it
 * may repeat: as they are, and as JSON, URLs, shells, HTML and Basic authentication write them. Some credentials are
 * private keys, so nothing that looks like one is shown.
 */
export function quote(text: string, secrets: readonly Secret[]): string {
  const spellings = secrets.map((secret) => secret.reveal()).flatMap(spelled);
  const masked = spellings.reduce((rest, spelling) => rest.replaceAll(spelling, "[secret]"), text.slice(0, 8192));
  return sanitize(dropKeyRuns(masked), CHARACTERS_MAX);
}

function spelled(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const url = encodeURIComponent(secret);
  const form = new URLSearchParams([["", secret]]).toString().slice(1);
  const bytes = Buffer.from(secret);
  const encoded = [
    ...[json, json.replaceAll("/", "\\/"), url, encodeURI(secret), form],
    ...[url, form].map((one) => one.replace(/%[0-9A-F]{2}/g, (code) => code.toLowerCase())),
    ...[`'\\''`, `'"'"'`].map((quoted) => secret.replaceAll("'", quoted)),
    secret.replace(/["\\$`]/g, "\\$&"),
    secret.replace(/[&<>"]/g, (one) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[one] ?? one),
    ...[bytes.toString("base64"), bytes.toString("base64url"), bytes.toString("hex")],
  ];
  // Of a key in several lines (also where JSON writes the line breaks), a single line says enough.
  const lines = secret.split(/\\n|\n/).filter((line) => line.length >= LINE_CHARACTERS_MIN);
  return [secret, ...encoded, ...lines].filter((spelling) => spelling.length > 3).sort((a, b) => b.length - a.length);
}
