import { generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import type { Identifier } from "../domain/identifier.ts";
import { Secret } from "../domain/secret.ts";
import { DAY_MS, HOUR_MS } from "../domain/time.ts";
import type { IssuedCertificate } from "../domain/version.ts";
import { EXTENSION } from "./extension.ts";
import { readLeaf } from "./leaf.ts";
import { createSelfSigned, extension } from "./selfSigned.ts";
import { writeSubjectAltName } from "./subjectAltName.ts";

/** Shown by whatever looks at the endpoint. */
const COMMON_NAME = "renewd exercise: broken on purpose";

export type ExpiredPair = Omit<IssuedCertificate, "certificate" | "generation">;

/** A pair that any server loads and no client accepts: for these names, signed by itself, and expired an hour ago. */
export async function createExpiredPair(identifiers: readonly Identifier[], now: number): Promise<ExpiredPair> {
  const { privateKey } = await promisify(generateKeyPair)("ec", { namedCurve: "P-256" });
  const der = createSelfSigned(privateKey, {
    commonName: COMMON_NAME,
    ...{ notBefore: now - DAY_MS, notAfter: now - HOUR_MS },
    extensions: [extension(EXTENSION.subjectAltName, writeSubjectAltName([...identifiers]))],
  });
  const base64 = Buffer.from(der)
    .toString("base64")
    .replace(/.{64}(?=.)/g, "$&\n");
  const leafPem = `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
  const key = new Secret(privateKey.export({ type: "pkcs8", format: "pem" }).toString());
  return { leaf: readLeaf(leafPem), leafPem, chainPem: [], privateKey: key };
}
