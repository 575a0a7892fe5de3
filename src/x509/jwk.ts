import { createHash, createPublicKey } from "node:crypto";
import type { Secret } from "../domain/secret.ts";
import { privateKeyOf } from "./key.ts";

/** The public half of an elliptic-curve key; members in the order of RFC 7638 §3.2. */
export interface PublicJwk {
  readonly crv: string;
  readonly kty: string;
  readonly x: string;
  readonly y: string;
}

/** renewd creates all account keys, always P-256. Throws for a key of another family. */
export function publicJwk(key: Secret): PublicJwk {
  const { crv, kty, x, y } = createPublicKey(privateKeyOf(key)).export({ format: "jwk" });
  if (crv === undefined || kty === undefined || x === undefined || y === undefined)
    throw new TypeError("an account key must be an elliptic-curve key");
  return { crv, kty, x, y };
}

/** RFC 7638 */
export function thumbprint(key: Secret): string {
  return createHash("sha256")
    .update(JSON.stringify(publicJwk(key)))
    .digest("base64url");
}
