import { RenewalError } from "../domain/errors.ts";
import type { Account, Accounts } from "../domain/issuer.ts";
import type { Secret } from "../domain/secret.ts";
import { sanitize } from "../domain/text.ts";
import { generateKey } from "../x509/key.ts";
import { contactDigest, syncContact } from "./contact.ts";
import { hasProblemType, TEXT_CHARACTERS_MAX } from "./problem.ts";
import { settleRollover } from "./rollover.ts";
import { type CertificateAuthority, openSession } from "./session.ts";

export interface AccountOptions {
  /** URLs such as `mailto:ops@example.com`. */
  readonly contact: readonly string[];
  readonly termsOfServiceAgreed: boolean;
}

export interface OpenAccount {
  readonly url: string;
  readonly privateKey: Secret;
}

/**
 * The issuer's one account. Its key is stored before the first request to the CA: newAccount with a known key returns
 * the existing account (RFC 8555 §7.3). So a crash in between, or two workers at once, never create a second account.
 */
export async function ensureAccount(
  ca: CertificateAuthority,
  accounts: Accounts,
  options: AccountOptions,
  signal: AbortSignal,
): Promise<OpenAccount> {
  const stored =
    (await accounts.get(ca.issuer, ca.directoryUrl)) ??
    (await accounts.create(ca.issuer, ca.directoryUrl, await generateKey("ecdsa-p256")));
  if (stored.url !== null) {
    const { privateKey } = await settleRollover(ca, accounts, stored, signal);
    const session = openSession(ca, privateKey, stored.url, signal);
    try {
      await syncContact(ca, accounts, {
        session,
        url: stored.url,
        contact: options.contact,
        known: stored.contactDigest,
      });
      return { url: stored.url, privateKey };
    } catch (error) {
      if (!isAccountGone(error)) throw error;
      await forgetAccount(ca, accounts, stored.url);
      // Read again: another worker may have registered a new account meanwhile.
      return ensureAccount(ca, accounts, options, signal);
    }
  }
  return register(ca, accounts, options, stored, signal);
}

/** The CA no longer knows the account URL: the same key gets a new account. */
export async function forgetAccount(ca: CertificateAuthority, accounts: Accounts, url: string): Promise<void> {
  const stored = await accounts.get(ca.issuer, ca.directoryUrl);
  // Another worker may have registered a new account while this one waited for the CA.
  if (stored?.url === url) await accounts.setUrl(ca.issuer, ca.directoryUrl, null);
}

async function register(
  ca: CertificateAuthority,
  accounts: Accounts,
  options: AccountOptions,
  stored: Account,
  signal: AbortSignal,
): Promise<OpenAccount> {
  const { meta } = await ca.directory(signal);
  if (meta?.termsOfService !== undefined && !options.termsOfServiceAgreed) {
    const terms = sanitize(meta.termsOfService, TEXT_CHARACTERS_MAX);
    refuse(
      `CA "${ca.issuer}" needs agreement to its terms of service: ` +
        `read ${terms} and set \`termsOfServiceAgreed: true\`.`,
    );
  }
  if (meta?.externalAccountRequired && ca.externalAccount === null) {
    refuse(
      `CA "${ca.issuer}" opens accounts only with an external account binding: ` +
        "set `externalAccount` to the key id and HMAC key that the CA gave you.",
    );
  }
  const payload = {
    termsOfServiceAgreed: options.termsOfServiceAgreed,
    ...(options.contact.length > 0 && { contact: options.contact }),
  };
  const reply = await openSession(ca, stored.privateKey, null, signal).createAccount(payload).catch(accountFailure);
  const url = reply.headers.location;
  if (url === undefined || !ca.transport.owns(url)) {
    throw new RenewalError("acme.server", `CA "${ca.issuer}" opened an account without a usable URL (RFC 8555 §7.3).`);
  }
  await accounts.setUrl(ca.issuer, ca.directoryUrl, url);
  await accounts.setContactDigest(ca.issuer, ca.directoryUrl, contactDigest(options.contact));
  return { url, privateKey: stored.privateKey };
}

/** If the CA calls a newAccount request malformed, the cause is the issuer's configuration. */
function accountFailure(error: unknown): never {
  if (error instanceof RenewalError && error.code === "acme.refused")
    throw new RenewalError("acme.account", error.message, { cause: error.cause });
  throw error;
}

function refuse(message: string): never {
  throw new RenewalError("acme.account", message);
}

/** Another process started or finished a key rollover while this key was in use. */
export async function isKeyOutdated(ca: CertificateAuthority, accounts: Accounts, used: OpenAccount): Promise<boolean> {
  const stored = await accounts.get(ca.issuer, ca.directoryUrl);
  return (
    stored !== null &&
    stored.url === used.url &&
    (stored.pendingKey !== null || stored.privateKey.reveal() !== used.privateKey.reveal())
  );
}

export function isAccountGone(error: unknown): boolean {
  return hasProblemType(error, "accountDoesNotExist");
}
