import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";

const PLACEHOLDER = "{certificate}";

/** What a target's own names may look like. */
export interface NameRule {
  /** The whole name. */
  readonly valid: RegExp;
  readonly advice: string;
  /**
   * Characters of a certificate's name (a-z, 0-9, dot, underscore, hyphen) that the target refuses: a hyphen replaces
   * them.
   */
  readonly unknown: RegExp;
}

/** An option that names something in the target; every `{certificate}` in it stands for the certificate's name. */
export function nameOption(rule: NameRule, byDefault?: string): z.ZodType<string> {
  const pattern = z
    .string()
    .max(1024)
    .refine((text) => fits(text.replaceAll(PLACEHOLDER, "x"), rule), rule.advice);
  return byDefault === undefined ? pattern : pattern.default(byDefault);
}

/** Throws `deploy.refused` for a certificate whose name makes none the target knows. */
export function resolveName(pattern: string, certificate: string, rule: NameRule): string {
  const name = pattern.replaceAll(PLACEHOLDER, certificate.replaceAll(rule.unknown, "-"));
  if (fits(name, rule)) return name;
  throw new RenewalError(
    "deploy.refused",
    `${JSON.stringify(name.slice(0, 300))} cannot be a name here: ${rule.advice}; give one in this target's options`,
  );
}

function fits(name: string, { valid }: NameRule): boolean {
  return valid.test(name) && !name.split("/").some((part) => part === "." || part === "..");
}
