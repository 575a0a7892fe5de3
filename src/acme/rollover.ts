import { RenewalError } from "../domain/errors.ts";
import type { Account, Accounts } from "../domain/issuer.ts";
import { generateKey } from "../x509/key.ts";
import { keyChangeJws } from "./jws.ts";
import { hasProblemType } from "./problem.ts";
import { type CertificateAuthority, openSession } from "./session.ts";

/**
 * Gives the account a new key (RFC 8555 §7.3.5): renewd first stores it, then sends it to the CA, then drops the old
 * one. After a crash it is unknown which key the CA holds; `settleRollover` asks.
 */
export async function rollOver(ca: CertificateAuthority, accounts: Accounts, signal: AbortSignal): Promise<void> {
  const stored = await accounts.get(ca.issuer, ca.directoryUrl);
  if (stored === null || stored.url === null)
    throw new RenewalError(
      "request.invalid",
      `issuer "${ca.issuer}" has no account yet: its first order registers one`,
    );
  const { keyChange } = await ca.directory(signal);
  if (keyChange === undefined)
    throw new RenewalError("request.invalid", `CA "${ca.issuer}" offers no key change (RFC 8555 §7.3.5)`);
  const pendingKey = stored.pendingKey ?? (await generateKey("ecdsa-p256"));
  if (stored.pendingKey === null) await accounts.setPendingKey(ca.issuer, ca.directoryUrl, pendingKey);
  const inner = keyChangeJws(keyChange, stored.url, stored.privateKey, pendingKey);
  await openSession(ca, stored.privateKey, stored.url, signal).post("change the account's key", keyChange, inner);
  // The old key is given up only once the CA knows the new one: a page at a URL that moved has status 200, too.
  if ((await settleRollover(ca, accounts, { ...stored, pendingKey }, signal)).pendingKey === null) return;
  ca.forgetDirectory();
  throw new RenewalError("acme.server", `CA "${ca.issuer}" accepted the account's new key and does not know it.`);
}

/**
 * A rollover was begun, its end was not recorded: the new key is the account's if the CA knows it, else the old one.
 */
export async function settleRollover(
  ca: CertificateAuthority,
  accounts: Accounts,
  stored: Account,
  signal: AbortSignal,
): Promise<Account> {
  if (stored.pendingKey === null) return stored;
  try {
    await openSession(ca, stored.pendingKey, null, signal).findAccount();
  } catch (error) {
    // The rollover may be under way in another process, so the pending key stays. `unauthorized`: the account was
    // deactivated, which the first request of the account shows.
    if (["accountDoesNotExist", "unauthorized"].some((type) => hasProblemType(error, type))) return stored;
    throw error;
  }
  await accounts.promotePendingKey(ca.issuer, ca.directoryUrl);
  return { ...stored, privateKey: stored.pendingKey, pendingKey: null };
}
