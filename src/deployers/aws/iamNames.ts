import { RenewalError } from "../../domain/errors.ts";
import type { IssuedCertificate } from "../../domain/version.ts";

/** A server certificate whose name says that it is a generation of this certificate. */
export interface NamedGeneration {
  readonly name: string;
  readonly generation: number;
}

/** UploadServerCertificate, ServerCertificateName: at most 128 of letters, digits and _+=,.@- */
const NAME = /^[\w+=,.@-]{1,128}$/;

/**
 * IAM server certificates cannot be changed, so each generation has a name. Throws `deploy.refused` for a name IAM
 * cannot take.
 */
export function serverCertificateName({ certificate, generation, leaf }: IssuedCertificate): string {
  const name = `${certificate}-${generation}-${leaf.fingerprint.slice(0, 8)}`;
  if (NAME.test(name)) return name;
  throw new RenewalError(
    "deploy.refused",
    `IAM takes no server certificate named ${name}: rename the certificate to at most 100 of a-z, 0-9, dot, ` +
      "underscore and hyphen",
  );
}

/** Generations of this certificate among the names, newest first. A foreign name may look the same: its tags decide. */
export function generationsOf(certificate: string, names: readonly string[]): NamedGeneration[] {
  return names
    .flatMap((name) => {
      if (!name.startsWith(`${certificate}-`)) return [];
      const [, generation] = /^(\d{1,9})-[0-9a-f]{8}$/.exec(name.slice(certificate.length + 1)) ?? [];
      return generation === undefined ? [] : [{ name, generation: Number(generation) }];
    })
    .sort((a, b) => b.generation - a.generation || a.name.localeCompare(b.name));
}
