import { z } from "zod";
import type { AccountAdmin, AccountFacts } from "../domain/account.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Account } from "../domain/issuer.ts";
import { sanitize } from "../domain/text.ts";
import { thumbprint } from "../x509/jwk.ts";
import { type AccountLoss, accountLoss, ensureAccount } from "./account.ts";
import { contactDigest } from "./contact.ts";
import { certificateAuthority, type IssuerDependencies, type IssuerOptions } from "./issuer.ts";
import { optionalMember, wrongMember } from "./member.ts";
import { rollOver, settleRollover } from "./rollover.ts";
import { openSession, type Reply } from "./session.ts";

const accountSchema = z.object({ status: z.string(), contact: optionalMember(z.array(z.string()).max(100)) });

type Registered = Account & { readonly url: string };

export function createAccountAdmin(options: IssuerOptions, { accounts, now }: IssuerDependencies): AccountAdmin {
  const { ca } = certificateAuthority(options, now);
  const registered = async (signal: AbortSignal): Promise<Registered | null> => {
    const stored = await accounts.get(ca.issuer, ca.directoryUrl);
    if (stored === null || stored.url === null) return null;
    return { ...(await settleRollover(ca, accounts, stored, signal)), url: stored.url };
  };
  const needed = async (signal: AbortSignal): Promise<Registered> => {
    const account = await registered(signal);
    if (account !== null) return account;
    throw new RenewalError(
      "request.invalid",
      `issuer "${ca.issuer}" has no account yet: its first order registers one`,
    );
  };
  const post = (account: Registered, what: string, payload: object | null, signal: AbortSignal): Promise<Reply> =>
    openSession(ca, account.privateKey, account.url, signal).post(what, account.url, payload);
  /** As `post`; throws `request.invalid`, which says what helps, if the account was lost. */
  const change = async (account: Registered, what: string, payload: object, signal: AbortSignal): Promise<Reply> => {
    try {
      return await post(account, what, payload, signal);
    } catch (error) {
      const why = await accountLoss(ca, account, error, signal);
      if (why === null) throw error;
      throw new RenewalError("request.invalid", lostAccount(ca.issuer, account.url, why), { cause: error });
    }
  };
  const show = async (signal: AbortSignal): Promise<AccountFacts | null> => {
    const account = await registered(signal);
    if (account === null) return null;
    try {
      return factsOf(account, await post(account, "return the account", null, signal));
    } catch (error) {
      const why = await accountLoss(ca, account, error, signal);
      if (why === null) throw error;
      const { url, privateKey } = account;
      return { url, status: why, contact: [], keyThumbprint: thumbprint(privateKey) };
    }
  };
  return {
    show,
    async register(signal) {
      await ensureAccount(ca, accounts, options, signal);
      const account = await needed(signal);
      return factsOf(account, await post(account, "return the account", null, signal));
    },
    async rollover(signal) {
      // Settles first what a crash may have left.
      const before = await needed(signal);
      try {
        await rollOver(ca, accounts, signal);
      } catch (error) {
        const why = await accountLoss(ca, before, error, signal);
        if (why === null) throw error;
        throw new RenewalError("request.invalid", lostAccount(ca.issuer, before.url, why), { cause: error });
      }
      const account = await needed(signal);
      return factsOf(account, await post(account, "return the account", null, signal));
    },
    async updateContact(signal) {
      const account = await needed(signal);
      const reply = await change(account, "update the account's contact", { contact: options.contact }, signal);
      const facts = factsOf(account, reply);
      await accounts.setContactDigest(ca.issuer, ca.directoryUrl, contactDigest(options.contact));
      return facts;
    },
    async deactivate(signal) {
      const account = await needed(signal);
      try {
        const reply = await post(account, "deactivate the account", { status: "deactivated" }, signal);
        // A page at a URL that moved is no account.
        factsOf(account, reply);
      } catch (error) {
        // One that the CA no longer accepts is what was asked for.
        if ((await accountLoss(ca, account, error, signal)) === null) throw error;
      }
      await accounts.remove(ca.issuer, ca.directoryUrl);
    },
  };
}

function lostAccount(issuer: string, url: string, why: AccountLoss): string {
  return (
    `the account of issuer "${issuer}", ${sanitize(url, 500)}, is ${why} at the CA: ` +
    "the next order registers a new one; " +
    `\`renewd account deactivate ${issuer} --yes\` forgets it now`
  );
}

function factsOf({ url, privateKey }: Registered, { data }: Reply): AccountFacts {
  const parsed = accountSchema.safeParse(data);
  if (!parsed.success)
    throw new RenewalError(
      "acme.server",
      `The CA's answer is not an ACME account (RFC 8555 §7.1.2): ${wrongMember(parsed.error)}.`,
      { cause: parsed.error },
    );
  const { status, contact = [] } = parsed.data;
  return {
    url,
    status: sanitize(status, 50),
    contact: contact.map((each) => sanitize(each, 200)),
    keyThumbprint: thumbprint(privateKey),
  };
}
