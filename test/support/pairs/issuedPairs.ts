// Pairs as deployers receive them, from a small CA with an intermediate.
import type { KeyType } from "../../../src/domain/certificate.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { readLeaf } from "../../../src/x509/leaf.ts";
import { type Authority, createRoot, type LeafOptions } from "../ca/pki.ts";

export interface PairOptions extends Partial<LeafOptions> {
  readonly certificate: string;
  readonly generation: number;
}

export interface PairIssuer {
  readonly intermediate: Authority;
  issue(options: PairOptions): Promise<IssuedCertificate>;
}

const BACKDATED_MS = 3_600_000;

/** The CA's own key type also is its leaves' default, as ACM demands and public CAs do. */
export async function createPairIssuer(keyType: KeyType = "ecdsa-p256"): Promise<PairIssuer> {
  const intermediate = await (await createRoot({ keyType })).intermediate({ keyType });
  let last = Date.now() - BACKDATED_MS;
  return {
    intermediate,
    async issue(options) {
      // Of two pairs of one generation the later one wins: whole seconds must tell them apart, however fast the machine.
      last = Math.max(last + 1000, Date.now() - BACKDATED_MS);
      const { certPem, keyPem } = await intermediate.issue({
        names: [`${options.certificate}.test`],
        keyType,
        notBefore: new Date(last),
        ...options,
      });
      return {
        certificate: options.certificate,
        generation: options.generation,
        leaf: readLeaf(certPem),
        leafPem: certPem,
        chainPem: [intermediate.certPem],
        privateKey: new Secret(keyPem),
      };
    },
  };
}

/** The leaf of `pair` with somebody else's key. */
export async function mismatched(issuer: PairIssuer, pair: IssuedCertificate): Promise<IssuedCertificate> {
  const other = await issuer.issue({ certificate: pair.certificate, generation: pair.generation });
  return { ...pair, privateKey: other.privateKey };
}
