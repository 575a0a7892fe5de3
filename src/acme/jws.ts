import { createHash, createPublicKey, sign } from "node:crypto";
import { z } from "zod";
import type { Secret } from "../domain/secret.ts";
import { privateKeyOf } from "../x509/key.ts";

/** renewd creates all account keys, always P-256. */
const jwkSchema = z.object({ crv: z.string(), kty: z.string(), x: z.string(), y: z.string() });
type Jwk = z.infer<typeof jwkSchema>;

/** The public half; members in the order of RFC 7638 §3.2. */
function publicJwk(key: Secret): Jwk {
  const { crv, kty, x, y } = jwkSchema.parse(createPublicKey(privateKeyOf(key)).export({ format: "jwk" }));
  return { crv, kty, x, y };
}

/** RFC 7638 */
export function thumbprint(key: Secret): string {
  return createHash("sha256")
    .update(JSON.stringify(publicJwk(key)))
    .digest("base64url");
}

/** The inner JWS of a key change: signed by the new key, with its public half inside and no nonce (RFC 8555 §7.3.5). */
export function keyChangeJws(
  url: string,
  account: string,
  oldKey: Secret,
  newKey: Secret,
): { protected: string; payload: string; signature: string } {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString("base64url");
  const header = encode({ alg: "ES256", jwk: publicJwk(newKey), url });
  const payload = encode({ account, oldKey: publicJwk(oldKey) });
  const signature = sign("sha256", Buffer.from(`${header}.${payload}`), {
    key: privateKeyOf(newKey),
    dsaEncoding: "ieee-p1363",
  });
  return { protected: header, payload, signature: signature.toString("base64url") };
}
