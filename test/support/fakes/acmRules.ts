// The rules AWS documents for ImportCertificate and tags, as the fake enforces them. Sources: ACM API reference
// (ImportCertificate, AddTagsToCertificate), ACM user guide ("Prerequisites for importing", "Reimport a certificate",
// "Quotas").
import { createPrivateKey, X509Certificate } from "node:crypto";
import { readUsages } from "../../../src/x509/keyUsage.ts";
import { splitPem } from "../../../src/x509/pem.ts";
import { AwsFault } from "./aws.ts";

export interface AcmTag {
  readonly Key: string;
  readonly Value?: string;
}

export interface ImportedMaterial {
  readonly certPem: string;
  readonly keyPem: string;
  readonly chainPem: readonly string[];
}

const KEY_BYTES_MAX = 5120;
const CHAIN_BYTES_MAX = 2_097_152;
const CERTIFICATE_BYTES_MAX = 32_768;
const TAGS_MAX = 50;
const ALGORITHMS = new Set([
  "RSA_1024",
  "RSA_2048",
  "RSA_3072",
  "RSA_4096",
  "EC_prime256v1",
  "EC_secp384r1",
  "EC_secp521r1",
]);
const CLIENT_AUTH = "1.3.6.1.5.5.7.3.2";

export function checkImport(certificate: string, key: string, chain: string | null): ImportedMaterial {
  if (
    certificate.length > CERTIFICATE_BYTES_MAX ||
    key.length > KEY_BYTES_MAX ||
    (chain?.length ?? 0) > CHAIN_BYTES_MAX
  )
    invalid("a member is too long");
  const leaf = parse("certificate field", certificate);
  if (splitPem(certificate).length !== 1) invalid("The certificate field contains more than one certificate.");
  if (!leaf.checkPrivateKey(privateKey(key))) invalid("The certificate and the private key do not match.");
  if (!ALGORITHMS.has(algorithmOf(leaf))) invalid(`The key algorithm ${algorithmOf(leaf)} is not supported.`);
  const now = Date.now();
  if (leaf.validFromDate.getTime() > now || leaf.validToDate.getTime() <= now)
    invalid("The certificate is not valid at this time.");
  if (leaf.issuer === "") invalid("The issuer field must not be empty.");
  const chainPem = chain === null ? [] : splitPem(chain);
  if (chain !== null && chainPem.length === 0) invalid("Could not parse the certificate chain.");
  checkChain(leaf, chainPem);
  return { certPem: certificate, keyPem: key, chainPem };
}

function checkChain(leaf: X509Certificate, chainPem: readonly string[]): void {
  if (chainPem.length === 0 && leaf.subject !== leaf.issuer)
    invalid("Provide the certificate chain: the certificate is not self-signed.");
  let child = leaf;
  for (const pem of chainPem) {
    const parent = parse("certificate chain", pem);
    if (!child.checkIssued(parent) || !child.verify(parent.publicKey))
      invalid("Each certificate in the chain must directly certify the one preceding.");
    child = parent;
  }
  const signer = chainPem[0];
  if (
    signer !== undefined &&
    parse("certificate chain", signer).publicKey.asymmetricKeyType !== leaf.publicKey.asymmetricKeyType
  ) {
    invalid("The cryptographic algorithm of the certificate must match the algorithm of the signing CA.");
  }
}

/** What an ARN may not become. */
export function checkReimport(held: ImportedMaterial, next: ImportedMaterial): void {
  const [before, after] = [new X509Certificate(held.certPem), new X509Certificate(next.certPem)];
  if (algorithmOf(before) !== algorithmOf(after))
    invalid("The key type and size of a certificate cannot change on re-import.");
  const [old, fresh] = [readUsages(held.certPem), readUsages(next.certPem)];
  if (
    (old.keyUsage === null && fresh.keyUsage !== null) ||
    (old.extendedKeyUsage === null && fresh.extendedKeyUsage !== null)
  ) {
    invalid("KeyUsage and ExtendedKeyUsage extensions cannot be added on re-import.");
  }
  const ec = after.publicKey.asymmetricKeyType === "ec";
  const lost = (old.keyUsage ?? []).filter(
    (name) => !fresh.keyUsage?.includes(name) && !(ec && name === "keyEncipherment"),
  );
  const lostExtended = (old.extendedKeyUsage ?? []).filter(
    (oid) => !fresh.extendedKeyUsage?.includes(oid) && oid !== CLIENT_AUTH,
  );
  if (lost.length + lostExtended.length > 0)
    invalid(`Existing key usages cannot be removed on re-import: ${[...lost, ...lostExtended].join(", ")}.`);
}

export function mergeTags(held: readonly AcmTag[], added: readonly AcmTag[]): AcmTag[] {
  for (const { Key, Value } of added) {
    if (
      !/^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u.test(Key) ||
      !/^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u.test(Value ?? "")
    ) {
      throw new AwsFault("ValidationException", "1 validation error detected: a tag fails to satisfy constraint");
    }
    if (/^aws:/i.test(Key)) throw new AwsFault("InvalidTagException", "Tag keys must not begin with aws:");
  }
  const merged = new Map([...held, ...added].map((tag) => [tag.Key, tag]));
  if (merged.size > TAGS_MAX)
    throw new AwsFault("TooManyTagsException", `A certificate can have at most ${TAGS_MAX} tags.`);
  return [...merged.values()];
}

export function algorithmOf(certificate: X509Certificate): string {
  const { asymmetricKeyType, asymmetricKeyDetails } = certificate.publicKey;
  return asymmetricKeyType === "rsa"
    ? `RSA_${asymmetricKeyDetails?.modulusLength}`
    : `EC_${asymmetricKeyDetails?.namedCurve}`;
}

function parse(what: string, pem: string): X509Certificate {
  try {
    return new X509Certificate(pem);
  } catch {
    return invalid(`Could not parse the ${what}. It must be PEM-encoded.`);
  }
}

function privateKey(pem: string): ReturnType<typeof createPrivateKey> {
  try {
    return createPrivateKey(pem);
  } catch {
    return invalid("The private key is not supported: it must be PEM-encoded and unencrypted.");
  }
}

function invalid(message: string): never {
  throw new AwsFault("ValidationException", message);
}
