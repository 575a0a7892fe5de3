import { X509Certificate } from "node:crypto";
import type { CertificateDetail } from "@aws-sdk/client-acm";
import type { KeyType } from "../../domain/certificate.ts";
import type { TargetLimits } from "../../domain/deployer.ts";
import { RenewalError } from "../../domain/errors.ts";
import { readUsages } from "../../x509/keyUsage.ts";

// ACM refuses these, so they are checked before the call: ACM user guide, "Prerequisites for importing" and "Reimport a
// certificate".

/** In ACM's spelling. */
export type AcmKeyAlgorithm = (typeof IMPORTABLE)[number];
export const IMPORTABLE = [
  "RSA_1024",
  "RSA_2048",
  "RSA_3072",
  "RSA_4096",
  "EC_prime256v1",
  "EC_secp384r1",
  "EC_secp521r1",
] as const;

const BY_KEY_TYPE: Record<KeyType, AcmKeyAlgorithm> = {
  "rsa-2048": "RSA_2048",
  "rsa-3072": "RSA_3072",
  "rsa-4096": "RSA_4096",
  "ecdsa-p256": "EC_prime256v1",
  "ecdsa-p384": "EC_secp384r1",
};

/** Names are not limited: that quota "does not apply to certificates that you import" (ACM user guide, "Quotas"). */
export const LIMITS: TargetLimits = {
  keyTypes: ["rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ecdsa-p384"],
  identifierTypes: ["dns", "ip"],
};

export function algorithmOfKeyType(keyType: KeyType): AcmKeyAlgorithm {
  return BY_KEY_TYPE[keyType];
}

/** Throws `deploy.refused` for a key that ACM never imports. */
export function algorithmOf(leafPem: string): AcmKeyAlgorithm {
  const { asymmetricKeyType: family, asymmetricKeyDetails: details } = new X509Certificate(leafPem).publicKey;
  const name = family === "rsa" ? `RSA_${details?.modulusLength}` : `EC_${details?.namedCurve}`;
  const algorithm = IMPORTABLE.find((one) => one === name);
  if (algorithm !== undefined) return algorithm;
  throw new RenewalError(
    "deploy.refused",
    `ACM imports no certificate with a key of type ${name}; choose another \`keyType\``,
  );
}

/** null: ACM does not say. */
function algorithmOfHeld(held: CertificateDetail): string | null {
  // Describe writes RSA-2048 where List and the import rules write RSA_2048.
  return held.KeyAlgorithm?.replace("-", "_") ?? null;
}

/** Throws `deploy.refused` for a certificate of ACM's own. */
export function checkImported(held: CertificateDetail): void {
  if (held.Type === undefined || held.Type === "IMPORTED") return;
  throw new RenewalError(
    "deploy.refused",
    `${held.CertificateArn} was not imported but issued by ACM (${held.Type}); ACM renews it itself`,
  );
}

export function keepsKeyAlgorithm(held: CertificateDetail, algorithm: AcmKeyAlgorithm): boolean {
  const before = algorithmOfHeld(held);
  return before === null || before === algorithm;
}

/** Throws `deploy.refused` when `held` cannot take a certificate with this key. */
export function checkKeyAlgorithm(held: CertificateDetail, algorithm: AcmKeyAlgorithm): void {
  if (keepsKeyAlgorithm(held, algorithm)) return;
  throw new RenewalError(
    "deploy.refused",
    `ACM keeps key type and size of an ARN: ${held.CertificateArn} has ${algorithmOfHeld(held)}, the new ` +
      `certificate ${algorithm}; ` +
      "set `keyType` back, or let renewd import under a new ARN (`newArnOnKeyChange: true`) and associate your " +
      "load balancers with that",
  );
}

/** RFC 5280 name → ACM name. */
const KEY_USAGE: Readonly<Record<string, string>> = {
  digitalSignature: "DIGITAL_SIGNATURE",
  nonRepudiation: "NON_REPUDIATION",
  keyEncipherment: "KEY_ENCIPHERMENT",
  dataEncipherment: "DATA_ENCIPHERMENT",
  keyAgreement: "KEY_AGREEMENT",
  keyCertSign: "CERTIFICATE_SIGNING",
  cRLSign: "CRL_SIGNING",
  encipherOnly: "ENCIPHER_ONLY",
  decipherOnly: "DECIPHER_ONLY",
};
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

/**
 * Throws `deploy.refused` when the new certificate lacks a usage the held one has. Excepted since public CAs dropped
 * them: clientAuth, and keyEncipherment with ECDSA keys, where it never meant anything.
 */
export function checkUsages(held: CertificateDetail, leafPem: string, algorithm: AcmKeyAlgorithm): void {
  const usages = readUsages(leafPem);
  const has = new Set(usages.keyUsage?.map((name) => KEY_USAGE[name]));
  const keyUsage = (held.KeyUsages ?? []).flatMap(({ Name }) => (Name === undefined ? [] : [Name]));
  const lost: string[] = keyUsage.filter(
    (name) => !has.has(name) && !(name === "KEY_ENCIPHERMENT" && algorithm.startsWith("EC_")),
  );
  const extended = (held.ExtendedKeyUsages ?? []).filter(
    ({ OID }) => OID !== undefined && OID !== CLIENT_AUTH && !usages.extendedKeyUsage?.includes(OID),
  );
  lost.push(...extended.map(({ Name, OID }) => Name ?? OID ?? "unknown"));
  if (lost.length === 0) return;
  throw new RenewalError(
    "deploy.refused",
    `ACM lets an ARN lose no key usage: ${held.CertificateArn} has ${lost.join(", ")}, the new certificate has not; ` +
      "import under a new ARN (remove `arn`, or the tag renewd:certificate from the old one) and associate your " +
      "load balancers with it",
  );
}
