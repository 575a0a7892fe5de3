import { RenewalError } from "./errors.ts";

/** RFC 8555 §8.3 */
export const CHALLENGE_PATH = "/.well-known/acme-challenge/";
/**
 * Where every http-01 responder of renewd says which installation it is of. No CA asks for it: no order has this token.
 */
export const IDENTITY_PATH = `${CHALLENGE_PATH}renewd-installation`;

/**
 * Returns the token if it is valid (base64url, RFC 8555 §8.3). Its length and alphabet also stop a hostile CA from
 * naming a file or key.
 */
export function checkToken(token: string): string {
  if (/^[A-Za-z0-9_-]{1,256}$/.test(token)) return token;
  throw new RenewalError(
    "solver.failed",
    "The CA sent a challenge token that is not base64url of at most 256 characters (RFC 8555 §8.3); it was not " +
      "published.",
  );
}
