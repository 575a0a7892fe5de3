import { resolve } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import { Secret } from "../../domain/secret.ts";
import type { SecretReference } from "../../domain/secretReference.ts";
import type { Environment } from "./environment.ts";
import { readText } from "./readFile.ts";

/** A secret is a line, not a document. */
const SECRET_BYTES_MAX = 64 * 1024;

/** The secret, or in one sentence why it cannot be had. Relative files start at `directory`. */
export async function lookUpSecret(
  { kind, at }: SecretReference,
  directory: string,
  environment: Environment,
): Promise<{ readonly secret: Secret } | { readonly problem: string }> {
  const found =
    kind === "env"
      ? fromEnvironment(environment, at)
      : await readText(resolve(directory, at), "the secret's file", SECRET_BYTES_MAX);
  if ("problem" in found) return found;
  // An editor's or `echo`'s newline at the end is no part of the secret.
  const text = found.text.replace(/\r?\n$/, "");
  if (text !== "") return { secret: new Secret(text) };
  return { problem: kind === "env" ? `the environment variable ${at} is empty` : "the secret's file is empty" };
}

/** As `lookUpSecret`; throws `config.secret`. */
export async function readSecret(
  reference: SecretReference,
  directory: string,
  environment: Environment,
): Promise<Secret> {
  const found = await lookUpSecret(reference, directory, environment);
  if ("secret" in found) return found.secret;
  throw new RenewalError("config.secret", found.problem);
}

function fromEnvironment(
  environment: Environment,
  name: string,
): { readonly text: string } | { readonly problem: string } {
  const text = environment(name);
  return text === undefined
    ? { problem: `the environment variable ${name} is not set: set it where renewd starts` }
    : { text };
}
