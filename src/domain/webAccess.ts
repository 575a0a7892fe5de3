/** Who may use the web interface without a token: a browser that was signed in by a one-time link. */

export interface WebGrant {
  /** SHA-256 of the code or cookie, in hex: whoever reads the database can sign in with neither. */
  readonly digest: string;
  /** `code`: of a link, good for one use. `session`: a browser's cookie. */
  readonly kind: "code" | "session";
  /** For the history, such as `alice@web-1`. */
  readonly actor: string;
  /** ms since epoch. */
  readonly createdAt: number;
  readonly expiresAt: number;
}

/** What a request with an idempotency key was answered, so that its repetition gets the same answer. */
export interface WebAnswer {
  /** SHA-256 over actor and key. */
  readonly key: string;
  /** SHA-256 over method, path and body: one key is for one request. */
  readonly request: string;
  /** null: the first request has not been answered yet. */
  readonly status: number | null;
  readonly body: string | null;
  /** ms since epoch. */
  readonly at: number;
}

export interface WebAccessStore {
  add(grant: WebGrant): Promise<void>;
  /** The grant, which is gone afterwards; null: there is none, or it has expired. Of two callers one gets it. */
  take(digest: string, now: number): Promise<WebGrant | null>;
  session(digest: string, now: number): Promise<WebGrant | null>;
  remove(digest: string): Promise<void>;
  /** What a key was used for; null: nothing. */
  known(answer: Pick<WebAnswer, "key">): Promise<WebAnswer | null>;
  /**
   * Reserves the key for this request, and returns null; or what is known of the key already. Inside a transaction it
   * waits for another that has reserved the key and has not ended.
   */
  reserve(answer: Pick<WebAnswer, "key" | "request" | "at">): Promise<WebAnswer | null>;
  answer(key: string, answer: { readonly status: number; readonly body: string }): Promise<void>;
  /** The request did nothing: its key is free again. */
  release(key: string): Promise<void>;
  /** Forgets grants that have expired and answers older than this. */
  forget(now: number, answersBefore: number): Promise<void>;
}
