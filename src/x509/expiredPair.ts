import { generateKeyPair } from "node:crypto";
import { promisify } from "node:util";
import { Secret } from "../domain/secret.ts";
import { DAY_MS, HOUR_MS } from "../domain/time.ts";
import type { IssuedCertificate, Leaf } from "../domain/version.ts";
import { EXTENSION } from "./extension.ts";
import { readLeaf } from "./leaf.ts";
import { createSelfSigned, extension } from "./selfSigned.ts";
import { writeSubjectAltName } from "./subjectAltName.ts";

/** Shown by every program that looks at the endpoint. */
const COMMON_NAME = "renewd exercise: broken on purpose";

export type ExpiredPair = Omit<IssuedCertificate, "certificate" | "generation">;

/**
 * A pair that any server loads and no client accepts: for the names of the good one, signed by itself, and expired an
 * hour ago. It begins before the good one: of two with one generation the later wins, so that one may come back.
 */
export async function createExpiredPair(
  good: Pick<Leaf, "identifiers" | "notBefore">,
  now: number,
): Promise<ExpiredPair> {
  const { privateKey } = await promisify(generateKeyPair)("ec", { namedCurve: "P-256" });
  const der = createSelfSigned(privateKey, {
    commonName: COMMON_NAME,
    ...{ notBefore: Math.min(now, good.notBefore) - DAY_MS, notAfter: now - HOUR_MS },
    extensions: [extension(EXTENSION.subjectAltName, writeSubjectAltName([...good.identifiers]))],
  });
  const base64 = Buffer.from(der)
    .toString("base64")
    .replace(/.{64}(?=.)/g, "$&\n");
  const leafPem = `-----BEGIN CERTIFICATE-----\n${base64}\n-----END CERTIFICATE-----\n`;
  const key = new Secret(privateKey.export({ type: "pkcs8", format: "pem" }).toString());
  return { leaf: readLeaf(leafPem), leafPem, chainPem: [], privateKey: key, isBroken: true };
}
