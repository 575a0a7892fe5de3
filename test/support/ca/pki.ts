// A small certificate authority for tests and the demo: any dates, names and keys, wrong ones included.
import "reflect-metadata";
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { isIP } from "node:net";
import {
  BasicConstraintsExtension,
  CRLDistributionPointsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonName,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from "@peculiar/x509";
import type { KeyType } from "../../../src/domain/certificate.ts";

export interface Dates {
  readonly notBefore?: Date;
  readonly notAfter?: Date;
}

export interface AuthorityOptions extends Dates {
  readonly name?: string;
  readonly keyType?: KeyType;
  /** PKCS#8 PEM of an intermediate's key, for one that another CA signs as well; without it a fresh one is made. */
  readonly keyPem?: string;
}

export interface LeafOptions extends Dates {
  /** DNS names and IP addresses. */
  readonly names: readonly string[];
  readonly keyType?: KeyType;
  /** PKCS#8 PEM of the key to certify; without it a fresh one is made. */
  readonly keyPem?: string;
  /** Hexadecimal. */
  readonly serial?: string;
  /** Without it the extension is left out. */
  readonly keyUsage?: readonly (keyof typeof KeyUsageFlags)[];
  /** Where the CA publishes what it has revoked. */
  readonly crlUrls?: readonly string[];
  /** Object identifiers; default: serverAuth. */
  readonly extendedKeyUsage?: readonly string[];
}

export interface IssuedPair {
  readonly certPem: string;
  /** PKCS#8. */
  readonly keyPem: string;
}

export interface Authority extends IssuedPair {
  readonly name: string;
  issue(options: LeafOptions): Promise<IssuedPair>;
  intermediate(options?: AuthorityOptions): Promise<Authority>;
}

/** A self-signed root, valid for ten years unless told otherwise. */
export async function createRoot(options: AuthorityOptions = {}): Promise<Authority> {
  const name = options.name ?? `Test Root ${randomBytes(4).toString("hex")}`;
  const keyPem = newKeyPem(options.keyType ?? "ecdsa-p256");
  const certPem = await certify({
    subject: name,
    issuer: name,
    keyPem,
    signerPem: keyPem,
    dates: options,
    days: 3650,
    extensions: CA_EXTENSIONS,
  });
  return authority(name, certPem, keyPem);
}

function authority(name: string, certPem: string, signerPem: string): Authority {
  return {
    name,
    certPem,
    keyPem: signerPem,
    async issue(options) {
      const keyPem = options.keyPem ?? newKeyPem(options.keyType ?? "ecdsa-p256");
      const extensions = leafExtensions(options);
      const subject = options.names[0] ?? "nameless";
      const serial = options.serial === undefined ? {} : { serial: options.serial };
      return {
        certPem: await certify({
          subject,
          issuer: name,
          keyPem,
          signerPem,
          dates: options,
          days: 90,
          extensions,
          ...serial,
        }),
        keyPem,
      };
    },
    async intermediate(options = {}) {
      const subject = options.name ?? `Test Intermediate ${randomBytes(4).toString("hex")}`;
      const keyPem = options.keyPem ?? newKeyPem(options.keyType ?? "ecdsa-p256");
      return authority(
        subject,
        await certify({
          subject,
          issuer: name,
          keyPem,
          signerPem,
          dates: options,
          days: 1825,
          extensions: CA_EXTENSIONS,
        }),
        keyPem,
      );
    },
  };
}

const CA_EXTENSIONS: Extension[] = [
  new BasicConstraintsExtension(true, undefined, true),
  new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign | KeyUsageFlags.digitalSignature, true),
];

function leafExtensions({ names, keyUsage, extendedKeyUsage, crlUrls }: LeafOptions): Extension[] {
  const usages: Extension[] = [
    new BasicConstraintsExtension(false),
    new ExtendedKeyUsageExtension([...(extendedKeyUsage ?? [ExtendedKeyUsage.serverAuth])]),
  ];
  if (keyUsage !== undefined)
    usages.push(
      new KeyUsagesExtension(
        keyUsage.reduce((flags, name) => flags | KeyUsageFlags[name], 0),
        true,
      ),
    );
  if (crlUrls !== undefined) usages.push(new CRLDistributionPointsExtension([...crlUrls]));
  if (names.length === 0) return usages;
  return [
    ...usages,
    new SubjectAlternativeNameExtension(names.map((value) => ({ type: isIP(value) ? "ip" : "dns", value }))),
  ];
}

interface Certification {
  readonly subject: string;
  readonly issuer: string;
  readonly keyPem: string;
  readonly signerPem: string;
  readonly dates: Dates;
  readonly days: number;
  readonly extensions: Extension[];
  readonly serial?: string;
}

async function certify(request: Certification): Promise<string> {
  const signer = createPrivateKey(request.signerPem);
  const certificate = await X509CertificateGenerator.create({
    subject: commonName(request.subject),
    issuer: commonName(request.issuer),
    // A leading 7f keeps the number positive and free of a leading zero in every tool's print.
    serialNumber: request.serial ?? `7f${randomBytes(15).toString("hex")}`,
    notBefore: request.dates.notBefore ?? new Date(Date.now() - 3600_000),
    notAfter: request.dates.notAfter ?? new Date(Date.now() + request.days * 86_400_000),
    publicKey: createPublicKey(request.keyPem).toCryptoKey(algorithmOf(createPrivateKey(request.keyPem)), true, [
      "verify",
    ]),
    signingKey: signer.toCryptoKey(algorithmOf(signer), true, ["sign"]),
    signingAlgorithm: algorithmOf(signer),
    extensions: request.extensions,
  });
  return `${certificate.toString("pem")}\n`;
}

function commonName(name: string): JsonName {
  return name === "" ? [] : [{ CN: [name] }];
}

function algorithmOf(key: KeyObject): { name: string; hash: string; namedCurve?: string } {
  if (key.asymmetricKeyType === "rsa") return { name: "RSASSA-PKCS1-v1_5", hash: "SHA-256" };
  const namedCurve = key.asymmetricKeyDetails?.namedCurve === "secp384r1" ? "P-384" : "P-256";
  return { name: "ECDSA", hash: "SHA-256", namedCurve };
}

/** A fresh PKCS#8 PEM key. */
export function newKeyPem(keyType: KeyType): string {
  const [family, size] = keyType.split("-");
  const { privateKey } =
    family === "rsa"
      ? generateKeyPairSync("rsa", { modulusLength: Number(size) })
      : generateKeyPairSync("ec", { namedCurve: size === "p384" ? "P-384" : "P-256" });
  return privateKey.export({ type: "pkcs8", format: "pem" }).toString();
}
