/** Each answer of the CA brings one; idle nonces only grow stale. */
const NONCES_MAX = 32;

/**
 * Replay nonces of earlier answers (RFC 8555 §6.5), newest first. One newNonce request per request instead would double
 * the requests and reach Let's Encrypt's newNonce limit first.
 */
export class NoncePool {
  readonly #nonces: string[] = [];

  put(nonce: string): void {
    // base64url by RFC 8555 §6.5.1; anything else would only be refused when signed.
    if (!/^[A-Za-z0-9_-]{1,512}$/.test(nonce)) return;
    this.#nonces.push(nonce);
    if (this.#nonces.length > NONCES_MAX) this.#nonces.shift();
  }

  /** A nonce is good for one request: taking removes it. */
  take(): string | null {
    return this.#nonces.pop() ?? null;
  }
}
