import { RenewalError } from "../../domain/errors.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import { keyMatches } from "../../x509/key.ts";

/** A pair in the shapes servers read. `privateKey` and `bundle` are secret. */
export interface PairPem {
  readonly cert: string;
  readonly chain: string;
  readonly fullchain: string;
  readonly privkey: string;
  readonly bundle: string;
}

/**
 * PEM without blank lines: HAProxy's CLI ends a payload at the first one. The bundle starts with the key, then leaf and
 * chain, which HAProxy and nginx read from one file.
 * Throws `deploy.badPair` when key and certificate do not belong together, so that no target is touched with them.
 */
export function pairPem(pair: IssuedCertificate): PairPem {
  if (!keyMatches(pair.leafPem, pair.privateKey)) {
    throw new RenewalError(
      "deploy.badPair",
      `private key and certificate of ${pair.certificate} generation ${pair.generation} do not belong together`,
    );
  }
  const cert = normalise(pair.leafPem);
  const chain = pair.chainPem.map(normalise).join("");
  const privkey = normalise(pair.privateKey.reveal());
  return { cert, chain, privkey, fullchain: cert + chain, bundle: privkey + cert + chain };
}

function normalise(pem: string): string {
  const lines = pem.split(/\r\n|\r|\n/).map((line) => line.trim());
  return `${lines.filter((line) => line !== "").join("\n")}\n`;
}
