import { createHash } from "node:crypto";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { GenerationRecord } from "../base/generationRecord.ts";

export const MARK_PREFIX = "renewd-";

/** https://cloud.google.com/resource-manager/docs/labels-overview: at most 63 of a-z, 0-9, underscore and hyphen. */
const CHARS_MAX = 63;

export function labelsOf(pair: IssuedCertificate): Record<string, string> {
  return {
    [`${MARK_PREFIX}certificate`]: certificateLabel(pair.certificate),
    [`${MARK_PREFIX}generation`]: String(pair.generation),
    // The 64th digit does not fit.
    [`${MARK_PREFIX}fingerprint`]: pair.leaf.fingerprint.slice(0, CHARS_MAX),
    [`${MARK_PREFIX}not-before`]: String(pair.leaf.notBefore),
  };
}

/** What the labels say, as far as it can be compared with `pair`; null: they are not ours. */
export function heldLabels(labels: Readonly<Record<string, string>>, pair: IssuedCertificate): GenerationRecord | null {
  const [certificate, generation, fingerprint, notBefore] = [
    "certificate",
    "generation",
    "fingerprint",
    "not-before",
  ].map((mark) => labels[`${MARK_PREFIX}${mark}`] ?? "");
  if (certificate === undefined || certificate === "" || !/^\d{1,9}$/.test(generation ?? "")) return null;
  return {
    certificate: certificate === certificateLabel(pair.certificate) ? pair.certificate : certificate,
    generation: Number(generation),
    fingerprint:
      fingerprint === pair.leaf.fingerprint.slice(0, CHARS_MAX) ? pair.leaf.fingerprint : (fingerprint ?? ""),
    notBefore: /^\d{1,15}$/.test(notBefore ?? "") ? Number(notBefore) : 0,
  };
}

/** A name with a dot, or too long, ends in a digest so that no two names become one label. */
function certificateLabel(name: string): string {
  if (/^[a-z0-9_-]{1,63}$/.test(name)) return name;
  const digest = createHash("sha256").update(name).digest("hex").slice(0, 12);
  return `${name.replace(/[^a-z0-9_-]/g, "-").slice(0, CHARS_MAX - 13)}-${digest}`;
}
