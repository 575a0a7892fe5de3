import { sign } from "node:crypto";
import type { Secret } from "../domain/secret.ts";
import { publicJwk } from "../x509/jwk.ts";
import { privateKeyOf } from "../x509/key.ts";

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
