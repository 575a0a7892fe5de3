import type { Certificate } from "../domain/certificate.ts";
import type { Draft } from "./check/certificates.ts";
import type { Raw } from "./check/sections.ts";
import type { IssuerConfig } from "./config.ts";
import { digestOf } from "./read/digest.ts";
import type { Known } from "./read/known.ts";

/** What decides, beside its own words, what a certificate is and whether it is right. */
const CONTEXT = ["defaults", "responsibility", "vantages", "issuers", "solvers", "targets"];

/** Of all that decides beside its own words what a certificate is; trust files enter by their content. */
export function contextDigest(raw: Raw, issuers: ReadonlyMap<string, IssuerConfig>): string {
  return digestOf([...CONTEXT.map((key) => raw[key] ?? null), [...issuers.values()].map(({ trustPem }) => trustPem)]);
}

/** Certificates that have passed every check before, and that nothing has changed for since. By name. */
export function unchanged(
  { certificates }: Pick<Known, "certificates">,
  written: Raw,
  context: string,
  definedIn: (name: string) => string,
): ReadonlyMap<string, Certificate> {
  const kept = new Map<string, Certificate>();
  for (const name of Object.keys(written)) {
    const each = written[name];
    const known = typeof each === "object" && each !== null ? certificates.get(each) : undefined;
    if (known === undefined || known.context !== context) continue;
    // An alias of YAML is one object under two names.
    const { certificate } = known;
    if (certificate.name === name && certificate.definedIn === definedIn(name)) kept.set(name, certificate);
  }
  return kept;
}

/** Both in the order of the file. */
export function inOrder(
  written: Raw,
  kept: ReadonlyMap<string, Certificate>,
  changed: readonly Draft[],
): readonly Draft[] {
  if (kept.size === 0) return changed;
  const drafts = new Map(changed.map((draft) => [draft.name, draft]));
  return Object.keys(written).flatMap((name) => kept.get(name) ?? drafts.get(name) ?? []);
}

/** After a load without mistakes. What was noted of a certificate is noted again by the next load. */
export function remember(
  { certificates: known }: Pick<Known, "certificates">,
  context: string,
  written: Raw,
  certificates: readonly Certificate[],
): void {
  for (const certificate of certificates) {
    const each = written[certificate.name];
    if (typeof each === "object" && each !== null && !certificate.allDistrusted)
      known.set(each, { context, certificate });
  }
}
