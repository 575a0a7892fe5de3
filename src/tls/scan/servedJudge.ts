import { createHash, type X509Certificate } from "node:crypto";
import type { ServedJudge } from "../../domain/probe.ts";
import type { SeenCertificate } from "../../domain/served.ts";
import type { Roots } from "../../x509/trust.ts";
import { fingerprintOf, leafBehind, restInWireOrder } from "../served.ts";
import { findingsOf } from "./judge.ts";

/** `roots`: those that are trusted now. Reading them takes a while, so they are asked for when first needed. */
export function createServedJudge(roots: () => Roots): ServedJudge {
  return {
    certificates(served) {
      const leaf = leafBehind(served);
      if (leaf === null) return null;
      const fingerprints = [served.fingerprint, ...served.chain];
      return [leaf, ...restInWireOrder(leaf)].map((each, index) => seenOf(each, fingerprints[index]));
    },
    findings(served, serverName, now) {
      const leaf = leafBehind(served);
      return leaf === null ? [] : findingsOf(leaf, { serverName, roots: roots(), now });
    },
  };
}

/** Most are known already, and nobody asks for more than their fingerprint. */
function seenOf(certificate: X509Certificate, fingerprint = fingerprintOf(certificate)): SeenCertificate {
  return {
    fingerprint,
    get der() {
      return certificate.raw;
    },
    get keyDigest() {
      return keyDigestOf(certificate);
    },
  };
}

/** Node throws for a key of a kind that it does not know: such a certificate has a key of its own. */
function keyDigestOf(certificate: X509Certificate): string {
  try {
    const key = certificate.publicKey.export({ type: "spki", format: "der" });
    return createHash("sha256").update(key).digest("hex");
  } catch {
    return fingerprintOf(certificate);
  }
}
