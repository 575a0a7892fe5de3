import { KEY_TYPES } from "../domain/certificate.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Identifier } from "../domain/identifier.ts";
import type { IssueRequest, OrderProgress, OwnCsr } from "../domain/issuer.ts";
import type { Secret } from "../domain/secret.ts";
import { sanitize } from "../domain/text.ts";
import { type CertificateRequest, readCertificateRequest } from "../x509/certificateRequest.ts";
import { asPkcs8, isKeyOf, isPrivateKey, keyTypeOfObject } from "../x509/key.ts";
import { canonicalIdentifier } from "../x509/leaf.ts";
import { isSignedBy } from "../x509/signature.ts";

const LISTED_MAX = 5;

/** A request that fits the order, and its key, in the form in which both are saved. */
export interface CheckedCsr {
  /** DER in base64url. */
  readonly csr: string;
  readonly privateKey: Secret;
}

/**
 * The request that an operator provides for this certificate; null: none, renewd creates it. A request that an earlier
 * attempt saved comes before the file, as its order may be finalized already. Throws `acme.ownCsr`, which says what is
 * wrong and what to do.
 */
export async function ownCsr(request: IssueRequest, progress: OrderProgress): Promise<CheckedCsr | null> {
  if (request.ownCsr == null) return null;
  const { privateKey, csr } = await progress.load();
  // One that others wrote into the database is not used; `csrFault` says so again before finalize.
  if (privateKey !== null && csr !== null && csrFault(Buffer.from(csr, "base64url"), privateKey, request) === null) {
    check({ privateKey, request: Buffer.from(csr, "base64url") }, request);
    return { privateKey, csr };
  }
  const own = await request.ownCsr();
  const { der } = check(own, request);
  return { privateKey: asPkcs8(own.privateKey), csr: Buffer.from(der).toString("base64url") };
}

/** Why a stored request must not be finalized; null: it is for this key and exactly these names. */
export function csrFault(der: Uint8Array, privateKey: Secret, wanted: IssueRequest): string | null {
  const own = { request: der, privateKey };
  try {
    const found = readCertificateRequest(der);
    const wrong = [keyIsAnother, isUnproved, namesDiffer]
      .map((one) => one(found, own, wanted))
      .find((each) => each !== null);
    return wrong?.message ?? null;
  } catch {
    return "it is no certificate signing request";
  }
}

type Check = (found: CertificateRequest, own: OwnCsr, wanted: IssueRequest) => Wrong | null;

interface Wrong {
  readonly at: "file" | "privateKey";
  /** What, and what to do. */
  readonly message: string;
}

const CHECKS: readonly Check[] = [
  keyTypeDiffers,
  isUnproved,
  namesDiffer,
  asksForStapling,
  keyIsUnreadable,
  keyIsAnother,
  keyIsCompromised,
];

function check(own: OwnCsr, wanted: IssueRequest): CertificateRequest {
  const found = parse(own, wanted);
  for (const one of CHECKS) {
    const wrong = one(found, own, wanted);
    if (wrong !== null) throw refusal(wanted, wrong);
  }
  return found;
}

function refusal({ certificate }: IssueRequest, { at, message }: Wrong, cause?: unknown): RenewalError {
  return new RenewalError("acme.ownCsr", `certificates.${certificate}.csr.${at}: ${message}.`, { cause });
}

function parse({ request }: OwnCsr, wanted: IssueRequest): CertificateRequest {
  try {
    return readCertificateRequest(request);
  } catch (cause) {
    const message =
      "holds no certificate signing request, or more than one; " +
      "it must be one PKCS#10 request in PEM or DER, as `openssl req -new` writes it";
    throw refusal(wanted, { at: "file", message }, cause);
  }
}

function keyTypeDiffers({ publicKey }: CertificateRequest, _own: OwnCsr, { keyType }: IssueRequest): Wrong | null {
  const found = keyTypeOfObject(publicKey);
  if (found === keyType) return null;
  if (found === null)
    return {
      at: "file",
      message: `the request's key is none of ${KEY_TYPES.join(", ")}: create a new request with a ${keyType} key`,
    };
  return {
    at: "file",
    message:
      `the request's key is ${found}, but \`keyType\` is ${keyType}: ` +
      `set \`keyType: ${found}\` or create a new request with such a key`,
  };
}

/** RFC 2986 §4.2: only the holder of the private key can sign the request. CAs refuse SHA-1. */
function isUnproved({ signed, publicKey }: CertificateRequest): Wrong | null {
  const fix =
    "so nothing proves that its author has the key; create a new request, signed with SHA-256, SHA-384 or SHA-512";
  try {
    return isSignedBy(signed, publicKey)
      ? null
      : { at: "file", message: `the request's signature is not by its own key, ${fix}` };
  } catch {
    return { at: "file", message: `the request's signature cannot be verified, ${fix}` };
  }
}

function namesDiffer(found: CertificateRequest, _own: OwnCsr, { identifiers }: IssueRequest): Wrong | null {
  const asked = keysOf(found.identifiers);
  const wanted = keysOf(identifiers);
  const common = new Set(found.commonNames.map((name) => keyOf({ type: "dns", value: name.toLowerCase() })));
  const differences = [
    listed("lacks", wanted.difference(asked)),
    listed("also asks for", asked.difference(wanted)),
    // Many CAs certify the common name as well.
    listed("has outside its subject alternative names the common name", common.difference(asked)),
    found.otherNames === 0
      ? null
      : `asks for ${found.otherNames} that ${found.otherNames === 1 ? "is" : "are"} neither DNS name nor IP address`,
  ].filter((difference) => difference !== null);
  if (differences.length === 0) return null;
  return {
    at: "file",
    message:
      `the request is not for the certificate's \`names\`: it ${differences.join("; it ")}. ` +
      "Create a new request, or change `names`",
  };
}

function keysOf(identifiers: readonly Identifier[]): Set<string> {
  return new Set(identifiers.map(keyOf));
}

function keyOf(identifier: Identifier): string {
  return canonicalIdentifier(identifier).value;
}

function listed(what: string, names: ReadonlySet<string>): string | null {
  if (names.size === 0) return null;
  const shown = [...names].slice(0, LISTED_MAX).map((name) => sanitize(name, 100));
  return `${what} ${shown.join(", ")}${names.size > LISTED_MAX ? ` and ${names.size - LISTED_MAX} more` : ""}`;
}

function asksForStapling({ mustStaple }: CertificateRequest): Wrong | null {
  if (!mustStaple) return null;
  return {
    at: "file",
    message:
      "the request asks for must-staple (TLS feature, RFC 7633), but CAs ended OCSP, so nothing could be stapled: " +
      "create a new request without it",
  };
}

function keyIsUnreadable(_found: CertificateRequest, { privateKey }: OwnCsr): Wrong | null {
  return isPrivateKey(privateKey)
    ? null
    : {
        at: "privateKey",
        message: "is not a private key in PEM without passphrase: give the key that signed the request",
      };
}

function keyIsAnother({ publicKey }: CertificateRequest, { privateKey }: OwnCsr): Wrong | null {
  return isKeyOf(publicKey, privateKey)
    ? null
    : { at: "privateKey", message: "does not belong to the request in `csr.file`: give the key that signed it" };
}

function keyIsCompromised(
  { publicKey }: CertificateRequest,
  _own: OwnCsr,
  { compromisedKeys = [] }: IssueRequest,
): Wrong | null {
  if (!compromisedKeys.some((key) => isKeyOf(publicKey, key))) return null;
  return {
    at: "file",
    message:
      "the request's key was revoked for keyCompromise, so it is not certified again: " +
      "create a new key and a request with it",
  };
}
