import type { CsrSource } from "../../domain/certificate.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { OwnCsr } from "../../domain/issuer.ts";
import type { Environment } from "./environment.ts";
import { readBytes } from "./readFile.ts";
import { lookUpSecret } from "./readSecret.ts";

/** A hundred of the longest names and the largest key need half of it, as PEM. */
const CSR_BYTES_MAX = 64 * 1024;

/**
 * What a certificate's `csr` points to; whether the two fit is the issuer's to check. Throws `acme.ownCsr`. A relative
 * secret starts at `directory`.
 */
export async function readCsr(
  certificate: string,
  source: CsrSource,
  directory: string,
  environment: Environment,
): Promise<OwnCsr> {
  const place = `certificates.${certificate}.csr`;
  const request = await readBytes(source.file, "the certificate signing request", CSR_BYTES_MAX);
  if ("problem" in request)
    throw new RenewalError(
      "acme.ownCsr",
      `${place}.file: ${request.problem}; the ACME worker reads it there when it orders.`,
    );
  const key = await lookUpSecret(source.privateKey, directory, environment);
  if ("problem" in key)
    throw new RenewalError(
      "acme.ownCsr",
      `${place}.privateKey: ${key.problem}; the ACME worker reads it there when it orders.`,
    );
  return { request: request.bytes, privateKey: key.secret };
}
