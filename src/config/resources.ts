import { X509Certificate } from "node:crypto";
import { resolve } from "node:path";
import { Secret } from "../domain/secret.ts";
import type { Environment } from "./environment.ts";
import type { Path } from "./places.ts";
import type { Problems } from "./problems.ts";
import type { SecretReference } from "./secretReference.ts";
import { readText } from "./source.ts";

/** A secret is a line, not a document. */
const SECRET_BYTES_MAX = 64 * 1024;

/** Reads what the configuration only points to. undefined: it cannot be had, and that has been said. */
export interface Resources {
  absolute(path: string): string;
  secret(reference: SecretReference, path: Path): Promise<Secret | undefined>;
  /** A bundle with at least one certificate. */
  trust(file: string, path: Path): Promise<string | undefined>;
}

/** Relative paths start at `directory`, that of the configuration file. */
export function createResources(directory: string, environment: Environment, problems: Problems): Resources {
  const absolute = (path: string): string => resolve(directory, path);
  return {
    absolute,
    async secret({ kind, at }, path) {
      const found = kind === "env" ? fromEnvironment(environment, at) : await readText(absolute(at), "the secret's file", SECRET_BYTES_MAX);
      // An editor's or `echo`'s newline at the end is no part of the secret.
      const text = "text" in found ? found.text.replace(/\r?\n$/, "") : "";
      if ("problem" in found) problems.add(path, found.problem);
      else if (text === "") problems.add(path, kind === "env" ? `the environment variable ${at} is empty` : "the secret's file is empty");
      else return new Secret(text);
      return undefined;
    },
    async trust(file, path) {
      const found = await readText(absolute(file), "the trust file");
      if ("text" in found && holdsCertificates(found.text)) return found.text;
      problems.add(path, "problem" in found ? found.problem : "the trust file must hold certificates in PEM: -----BEGIN CERTIFICATE-----");
      return undefined;
    },
  };
}

function fromEnvironment(environment: Environment, name: string): { readonly text: string } | { readonly problem: string } {
  const text = environment(name);
  return text === undefined ? { problem: `the environment variable ${name} is not set: set it where renewd starts` } : { text };
}

function holdsCertificates(pem: string): boolean {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g) ?? [];
  try {
    for (const block of blocks) new X509Certificate(block);
  } catch {
    return false;
  }
  return blocks.length > 0;
}
