import type { Certificate } from "../../domain/certificate.ts";
import type { Observation, ServedCertificate } from "../../domain/endpoint.ts";
import type { Version } from "../../domain/version.ts";

/** The generation of a pair that others issued and that was never imported. */
export const OF_OTHERS = 0;

/** renewd has no pair of it and orders none: it watches what endpoints serve. */
export function isWatchedOnly({ mode }: Pick<Certificate, "mode">, version: Version | null): boolean {
  return mode === "observe" && version === null;
}

/** The generation that an endpoint's status has to be of; null: there is nothing to serve yet. */
export function expectedGeneration(certificate: Pick<Certificate, "mode">, version: Version | null): number | null {
  return version?.generation ?? (isWatchedOnly(certificate, version) ? OF_OTHERS : null);
}

/** Of what was seen, the certificate that ends first; null: none was served. */
export function servedInUse(observations: readonly Pick<Observation, "served">[]): ServedCertificate | null {
  const served = observations.map((each) => each.served).filter((each) => each !== null);
  return served.reduce<ServedCertificate | null>(
    (first, each) => (first === null || each.notAfter < first.notAfter ? each : first),
    null,
  );
}
