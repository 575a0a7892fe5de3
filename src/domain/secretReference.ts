/** Where a secret is kept: configuration never holds the secret itself. */
export interface SecretReference {
  readonly kind: "env" | "file";
  /** Name of the environment variable, or path of the file. */
  readonly at: string;
}

/** `env:NAME` or `file:/path`. */
export const SECRET_REFERENCE = /^(?:env:([A-Za-z_][A-Za-z0-9_]*)|file:(.+))$/;
// The message leaves the value out: a secret that was pasted here must not reach a log.
export const SECRET_REFERENCE_ADVICE = "must refer to a secret, not hold it: write env:NAME or file:/path";

/** `text` must match SECRET_REFERENCE. */
export function parseSecretReference(text: string): SecretReference {
  const [, variable, path] = SECRET_REFERENCE.exec(text) ?? [];
  return variable === undefined ? { kind: "file", at: path ?? "" } : { kind: "env", at: variable };
}
