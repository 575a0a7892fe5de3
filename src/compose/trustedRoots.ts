import { getCACertificates } from "node:tls";
import { type Roots, rootsOf } from "../x509/trust.ts";
import { trustSystemAuthorities } from "./systemTrust.ts";

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/** The certificates in a PEM text, each by itself. */
export function certificatesIn(pem: string): string[] {
  return pem.match(CERTIFICATE) ?? [];
}

/** The system's roots, those that Node ships, and these. */
export function trustedRoots(own: readonly string[]): Roots {
  trustSystemAuthorities();
  return rootsOf([...own, ...getCACertificates("default")]);
}

/** As `trustedRoots`, read once for each text. */
export function rootsFrom(trustPem: () => string | null): () => Roots {
  let made: { readonly of: string | null; readonly roots: Roots } | null = null;
  return () => {
    const of = trustPem();
    if (made === null || made.of !== of) made = { of, roots: trustedRoots(of === null ? [] : certificatesIn(of)) };
    return made.roots;
  };
}
