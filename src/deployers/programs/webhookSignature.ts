import { createHmac } from "node:crypto";
import { RenewalError } from "../../domain/errors.ts";
import { Secret } from "../../domain/secret.ts";

const SERIALISED = /^whsec_([A-Za-z0-9+/]+={0,2})$/;
const [KEY_BYTES_MIN, KEY_BYTES_MAX] = [24, 64];

/**
 * The bytes of a Standard Webhooks 1.0.0 symmetric secret. Throws `config.secret` with the command that creates one.
 */
export function signingKey(secret: Secret): Secret {
  const [, base64] = SERIALISED.exec(secret.reveal()) ?? [];
  const bytes = Buffer.from(base64 ?? "", "base64").length;
  if (base64 !== undefined && bytes >= KEY_BYTES_MIN && bytes <= KEY_BYTES_MAX) return new Secret(base64);
  throw new RenewalError(
    "config.secret",
    `the webhook's \`secret\` is not whsec_ and ${KEY_BYTES_MIN} to ${KEY_BYTES_MAX} bytes in base64; create ` +
      `one with: echo "whsec_$(openssl rand -base64 32)"`,
  );
}

/** Headers that prove sender, instant and body: HMAC-SHA256 over `id.timestamp.body`. `now` is ms since epoch. */
export function signWebhook(key: Secret, id: string, now: number, body: string): Record<string, string> {
  const timestamp = String(Math.floor(now / 1_000));
  const signature = createHmac("sha256", Buffer.from(key.reveal(), "base64"))
    .update(`${id}.${timestamp}.${body}`)
    .digest("base64");
  return { "webhook-id": id, "webhook-timestamp": timestamp, "webhook-signature": `v1,${signature}` };
}
