import { canonicalAddress } from "../domain/identifier.ts";

/**
 * Reads Node's textual subjectAltName (`DNS:a.example, IP Address:192.0.2.1`). Since CVE-2021-44532 Node quotes an
 * entry that contains commas as a JSON string, so a quoted entry is never split at a comma. Only DNS names and IP
 * addresses are kept: nothing else can match a server name (RFC 9525 §6).
 */
export function readSubjectAltNames(text = ""): string[] {
  const names: string[] = [];
  // Sticky: each entry begins where the last one ended, so text inside a quoted entry is never read as an entry.
  const entry = /([^:,]+):(?:("(?:[^"\\]|\\.)*")|([^,]*))(?:, |$)/y;
  for (let match = entry.exec(text); match !== null; match = entry.exec(text)) {
    const [, kind, quoted, plain = ""] = match;
    const value = quoted === undefined ? plain : unquote(quoted);
    if (kind === "DNS" && value !== "") names.push(value.toLowerCase());
    if (kind === "IP Address") names.push(canonicalAddress(value));
  }
  return names;
}

function unquote(quoted: string): string {
  try {
    return String(JSON.parse(quoted));
  } catch {
    return "";
  }
}
