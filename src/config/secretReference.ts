import { z } from "zod";

/** Where a secret is kept; the file never holds the secret itself. */
export interface SecretReference {
  readonly kind: "env" | "file";
  /** Name of the environment variable, or path of the file. */
  readonly at: string;
}

export const REFERENCE = /^(?:env:([A-Za-z_][A-Za-z0-9_]*)|file:(.+))$/;
// Says nothing of the value: whoever pasted a secret here must not find it in a log.
const ADVICE = "must refer to a secret, not hold it: write env:NAME or file:/path";

export const secretReference = z
  .string({ error: (issue) => (issue.input === undefined ? undefined : ADVICE) })
  .regex(REFERENCE, { error: ADVICE, abort: true })
  .transform((text): SecretReference => {
    const [, variable, path] = REFERENCE.exec(text) ?? [];
    return variable === undefined ? { kind: "file", at: path ?? "" } : { kind: "env", at: variable };
  });
