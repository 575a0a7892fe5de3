import { X509Certificate } from "node:crypto";
import { resolve } from "node:path";
import { Secret } from "../../domain/secret.ts";
import type { SecretReference } from "../../domain/secretReference.ts";
import type { Environment } from "./environment.ts";
import type { Path } from "./positions.ts";
import type { Problems } from "./problems.ts";
import { readText } from "./readFile.ts";
import { lookUpSecret } from "./readSecret.ts";

/**
 * `optional`: a secret that cannot be had is empty instead of a mistake; only the database's URL is needed to read.
 * `unread`: none is looked for, nor is a file of certificates needed, as where a configuration is only checked.
 */
export type SecretsNeeded = "required" | "optional" | "unread";

/** Reads what the configuration only points to. undefined: it cannot be had, and that has been said. */
export interface Resources {
  absolute(path: string): string;
  secret(reference: SecretReference, path: Path): Promise<Secret | undefined>;
  /** A bundle with at least one certificate. */
  trust(file: string, path: Path): Promise<string | undefined>;
  /** A certificate for ourselves, with its chain. */
  certificate(file: string, path: Path): Promise<string | undefined>;
}

/**
 * Relative paths start at `directory`, that of the configuration file. `secrets` as in LoadOptions.
 */
export function createResources(
  directory: string,
  environment: Environment,
  problems: Problems,
  secrets: SecretsNeeded = "required",
): Resources {
  const absolute = (path: string): string => resolve(directory, path);
  const certificates = async (file: string, path: Path, what: string): Promise<string | undefined> => {
    const found = await readText(absolute(file), what);
    if ("text" in found && holdsCertificates(found.text)) return found.text;
    // It may be on the machine that runs renewd, like the secrets.
    if (secrets === "unread" && "problem" in found) return "";
    problems.add(
      path,
      "problem" in found ? found.problem : `${what} must hold certificates in PEM: -----BEGIN CERTIFICATE-----`,
    );
    return undefined;
  };
  return {
    absolute,
    async secret(reference, path) {
      const isDatabase = path[0] === "store";
      if (secrets === "unread") return new Secret(isDatabase ? "postgresql://unread.invalid/" : "");
      const found = await lookUpSecret(reference, directory, environment);
      if ("secret" in found) return found.secret;
      if (secrets === "optional" && !isDatabase) return new Secret("");
      problems.add(path, found.problem);
      return undefined;
    },
    trust: (file, path) => certificates(file, path, "the trust file"),
    certificate: (file, path) => certificates(file, path, "the certificate file"),
  };
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
