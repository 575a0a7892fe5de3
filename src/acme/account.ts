import { z } from "zod";
import { raceAbort } from "../domain/abort.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Account, Accounts } from "../domain/issuer.ts";
import type { Secret } from "../domain/secret.ts";
import { sanitize } from "../domain/text.ts";
import { generateKey } from "../x509/key.ts";
import { contactDigest, syncContact } from "./contact.ts";
import { hasProblemType, problemOf, TEXT_CHARACTERS_MAX } from "./problem.ts";
import { settleRollover } from "./rollover.ts";
import { type CertificateAuthority, GONE, openSession, type Reply } from "./session.ts";

const stateSchema = z.object({ status: z.string() });

export interface AccountOptions {
  /** URLs such as `mailto:ops@example.com`. */
  readonly contact: readonly string[];
  readonly termsOfServiceAgreed: boolean;
}

export interface OpenAccount {
  readonly url: string;
  readonly privateKey: Secret;
  /** The account that this one replaces since a moment ago; null: none. */
  readonly replaced: LostAccount | null;
}

/** An account that the CA no longer accepts. */
export interface LostAccount {
  readonly url: string;
  readonly why: AccountLoss;
}

/**
 * `forgotten`: the CA does not know the account, so the same key gets a new one. `deactivated`: at the CA, by somebody
 * else or by the CA itself; its key is of no use any more.
 */
export type AccountLoss = "forgotten" | "deactivated";

/**
 * The issuer's one account. Its key is stored before the first request to the CA: newAccount with a known key returns
 * the existing account (RFC 8555 §7.3). So a crash in between, or two workers at once, never create a second account.
 */
export async function ensureAccount(
  ca: CertificateAuthority,
  accounts: Accounts,
  options: AccountOptions,
  signal: AbortSignal,
  replaced: LostAccount | null = null,
): Promise<OpenAccount> {
  const stored =
    (await accounts.get(ca.issuer, ca.directoryUrl)) ??
    (await accounts.create(ca.issuer, ca.directoryUrl, await generateKey("ecdsa-p256")));
  if (stored.url === null) return { ...(await registerOnce(ca, accounts, options, stored, signal)), replaced };
  const { privateKey } = await settleRollover(ca, accounts, stored, signal);
  const { url } = stored;
  const session = openSession(ca, privateKey, url, signal);
  try {
    await syncContact(ca, accounts, { session, url, contact: options.contact, known: stored.contactDigest });
    return { url, privateKey, replaced };
  } catch (error) {
    // One that was registered just now and is refused again must not be replaced without end.
    const why = replaced === null ? await accountLoss(ca, { url, privateKey }, error, signal) : null;
    if (why === null) throw error;
    const lost = await forgetAccount(ca, accounts, { url, why });
    // Read again: another worker may have registered a new account meanwhile.
    return ensureAccount(ca, accounts, options, signal, lost);
  }
}

/** Returns the account if it was still the stored one; null: another worker has replaced it. */
export async function forgetAccount(
  ca: CertificateAuthority,
  accounts: Accounts,
  lost: LostAccount,
): Promise<LostAccount | null> {
  const stored = await accounts.get(ca.issuer, ca.directoryUrl);
  if (stored?.url !== lost.url) return null;
  if (lost.why === "forgotten") await accounts.setUrl(ca.issuer, ca.directoryUrl, null);
  else await accounts.remove(ca.issuer, ca.directoryUrl);
  return lost;
}

/**
 * How the account was lost, given the CA's refusal of a request; null: it was not, so the refusal has another reason.
 * A CA refuses every request of a deactivated account as unauthorized (RFC 8555 §7.3.6), but other things as well: so
 * the CA is asked for the account, and for the key's account. That it does not know the account must not be a passing
 * fault either: the account's order would be given up, and the next one issues a second certificate. A CA that has
 * moved its URLs may call the old one malformed: then the key's account says where it is now.
 */
export async function accountLoss(
  ca: CertificateAuthority,
  { url, privateKey }: Pick<OpenAccount, "url" | "privateKey">,
  error: unknown,
  signal: AbortSignal,
): Promise<AccountLoss | null> {
  const isGone = isAccountGone(error);
  if (!isGone && !hasProblemType(error, "unauthorized") && !isAtNoAccount(error)) return null;
  const session = openSession(ca, privateKey, url, signal);
  const byUrl = await lossBy(() => session.post("return the account", url, null), "unknown").catch(unlessNoAccount);
  if (byUrl === null || (isGone && byUrl === "forgotten")) return byUrl;
  let current = url;
  const byKey = await lossBy(async () => {
    const reply = await session.findAccount();
    current = reply.headers.location ?? url;
    return reply;
  }, null);
  return byKey ?? (current !== url && ca.transport.owns(current) ? "forgotten" : null);
}

/** `otherwise`: when the answer is no account object (RFC 8555 §7.1.2). */
async function lossBy<T>(ask: () => Promise<Reply>, otherwise: T): Promise<AccountLoss | T | null> {
  try {
    const { success, data } = stateSchema.safeParse((await ask()).data);
    if (!success) return otherwise;
    return data.status === "deactivated" || data.status === "revoked" ? "deactivated" : null;
  } catch (error) {
    if (isAccountGone(error)) return "forgotten";
    if (hasProblemType(error, "unauthorized")) return "deactivated";
    throw error;
  }
}

function unlessNoAccount(error: unknown): "unknown" {
  if (isAtNoAccount(error)) return "unknown";
  throw error;
}

/** There may be nothing at the account's URL, or nothing that the CA takes for an account. */
function isAtNoAccount(error: unknown): boolean {
  return hasProblemType(error, "malformed") || GONE.includes(problemOf(error)?.status ?? 0);
}

/**
 * The first orders of a new installation come together, and all need the account: the others wait for the first one's
 * request. A CA that is asked twice at once may fail at it (Pebble: "Error saving account").
 */
async function registerOnce(
  ca: CertificateAuthority,
  accounts: Accounts,
  options: AccountOptions,
  stored: Account,
  signal: AbortSignal,
): Promise<Pick<OpenAccount, "url" | "privateKey">> {
  const ask = (): ReturnType<typeof register> => register(ca, accounts, options, stored, signal);
  if (ca.registering === null) {
    const first = ask();
    const through = (): void => {
      ca.registering = null;
    };
    ca.registering = first.then(through, through);
    return first;
  }
  const { registering } = ca;
  await raceAbort(signal, () => registering);
  const { url, privateKey } = (await accounts.get(ca.issuer, ca.directoryUrl)) ?? stored;
  return url === null ? ask() : { url, privateKey };
}

async function register(
  ca: CertificateAuthority,
  accounts: Accounts,
  options: AccountOptions,
  stored: Account,
  signal: AbortSignal,
): Promise<Pick<OpenAccount, "url" | "privateKey">> {
  const { meta } = await ca.directory(signal);
  if (meta?.termsOfService !== undefined && !options.termsOfServiceAgreed) {
    const link = meta.termsOfService;
    const readable = URL.canParse(link, ca.directoryUrl) ? new URL(link, ca.directoryUrl).href : link;
    const terms = sanitize(readable, TEXT_CHARACTERS_MAX);
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
export async function isKeyOutdated(
  ca: CertificateAuthority,
  accounts: Accounts,
  used: Pick<OpenAccount, "url" | "privateKey">,
): Promise<boolean> {
  const stored = await accounts.get(ca.issuer, ca.directoryUrl);
  return (
    stored !== null &&
    stored.url === used.url &&
    (stored.pendingKey !== null || stored.privateKey.reveal() !== used.privateKey.reveal())
  );
}

function isAccountGone(error: unknown): boolean {
  return hasProblemType(error, "accountDoesNotExist");
}
