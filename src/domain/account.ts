/** An ACME account as the CA describes it (RFC 8555 §7.1.2). The CA's texts are sanitized. */
export interface AccountFacts {
  readonly url: string;
  readonly status: string;
  readonly contact: readonly string[];
  /** RFC 7638, as in key authorizations. */
  readonly keyThumbprint: string;
}

/** What a person does with the account of an issuer. Each throws a RenewalError that says what the CA answered. */
export interface AccountAdmin {
  /** null: none was registered yet. */
  show(signal: AbortSignal): Promise<AccountFacts | null>;
  /** Registers it as the first order would, unless it is there. */
  register(signal: AbortSignal): Promise<AccountFacts>;
  /**
   * A new key for the same account (RFC 8555 §7.3.5). A crash loses neither: the new one is durable before the CA hears
   * of it.
   */
  rollover(signal: AbortSignal): Promise<AccountFacts>;
  /** Sends the configured contact whether or not it changed. */
  updateContact(signal: AbortSignal): Promise<AccountFacts>;
  /** Cannot be undone (RFC 8555 §7.3.6): its key is deleted, and the next order registers a new account. */
  deactivate(signal: AbortSignal): Promise<void>;
}
