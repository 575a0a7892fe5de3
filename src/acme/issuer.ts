import type { KeyType } from "../domain/certificate.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Identifier } from "../domain/identifier.ts";
import type { Accounts, IssueRequest, IssueResult, Issuer, NamedSolver, OrderProgress } from "../domain/issuer.ts";
import type { Secret } from "../domain/secret.ts";
import { sanitize } from "../domain/text.ts";
import { createCsr } from "../x509/csr.ts";
import { withoutRoot } from "../x509/issued.ts";
import { thumbprint } from "../x509/jwk.ts";
import { generateKey, keyTypeOf } from "../x509/key.ts";
import {
  accountLoss,
  ensureAccount,
  forgetAccount,
  isKeyOutdated,
  type LostAccount,
  type OpenAccount,
} from "./account.ts";
import { answerChallenges, deactivateAuthorizations } from "./authorization.ts";
import { type BoundName, boundRecords } from "./boundRecords.ts";
import { type CaaLookup, createCaaLookup } from "./caa.ts";
import { downloadChain } from "./chain.ts";
import { clearAbandonedAnswers, clearEarlierAnswers } from "./clearAnswers.ts";
import { createClockReader, createDirectory, type DirectoryOptions, readAgain } from "./directory.ts";
import { eligibilityOf } from "./eligibility.ts";
import { NoncePool } from "./nonce.ts";
import { fetchOrder, neededOf, type OpenedOrder, type Order, openOrder, orderFailure, readOrder } from "./order.ts";
import { type CheckedCsr, csrFault, ownCsr } from "./ownCsr.ts";
import { type Deadline, pollUntil } from "./poll.ts";
import { hasProblemType } from "./problem.ts";
import { fetchRenewalInfo } from "./renewalInfo.ts";
import { revokeCertificate } from "./revoke.ts";
import { type CertificateAuthority, type ExternalAccount, openSession, type Reply, type Session } from "./session.ts";
import { standingOfDirectory } from "./standing.ts";
import { createTransport } from "./transport.ts";

export interface IssuerOptions {
  /** In configuration. */
  readonly name: string;
  readonly directory: string;
  /** URLs such as `mailto:ops@example.com`. */
  readonly contact: readonly string[];
  readonly termsOfServiceAgreed: boolean;
  /** The only roots trusted for the directory's TLS, as PEM; null: the process's own. */
  readonly trustPem: string | null;
  /** As in `TransportOptions`. */
  readonly proxy?: string | null;
  readonly externalAccount: ExternalAccount | null;
  /** null: not known to lack any. */
  readonly keyTypes?: readonly KeyType[] | null;
  readonly identifierTypes?: readonly Identifier["type"][] | null;
  readonly requestTimeoutMs: number;
  /** For one call of `issue`; the order itself lives on and the next call resumes it. */
  readonly orderTimeoutMs: number;
}

export interface IssuerDependencies {
  readonly accounts: Accounts;
  /** ms since epoch. */
  readonly now: () => number;
  /** Default: the system's resolvers. */
  readonly caa?: CaaLookup;
  /** The names of all certificates that the issuer may be asked for. Default: none. */
  readonly names?: () => readonly BoundName[];
}

/** Throws `config.invalid` when the directory is no https URL. */
export function createIssuer(
  options: IssuerOptions,
  { accounts, now, caa = createCaaLookup(), names = () => [] }: IssuerDependencies,
): Issuer {
  const { ca, directoryOptions } = certificateAuthority(options, now);

  return {
    async clearAnswers(progress, solvers, signal) {
      const [{ orderUrl }, account] = [await progress.load(), await accounts.get(ca.issuer, ca.directoryUrl)];
      if (orderUrl === null || account === null || account.url === null || !ca.transport.owns(orderUrl)) return;
      const session = openSession(ca, account.privateKey, account.url, signal);
      const { authorizations = [] } = await fetchOrder(session, orderUrl);
      await clearEarlierAnswers({ session, authorizations, solvers, progress }, signal);
    },
    revoke: (request, signal) =>
      revokeCertificate(ca, () => ensureAccount(ca, accounts, options, signal), request, signal),
    async eligibility(request, solvers, signal) {
      const accountUrl = (await accounts.get(ca.issuer, ca.directoryUrl))?.url ?? null;
      const capabilities = { keyTypes: options.keyTypes ?? null, identifierTypes: options.identifierTypes ?? null };
      return eligibilityOf(ca, capabilities, request, { lookup: caa, accountUrl, solvers }, signal);
    },
    async standing(signal) {
      const account = await accounts.get(ca.issuer, ca.directoryUrl);
      if (account === null || account.url === null) return null;
      const known = { accountUrl: account.url, keyThumbprint: thumbprint(account.privateKey) };
      return standingOfDirectory(await ca.directory(signal), known);
    },
    readDirectory: (signal) => readAgain(ca, signal),
    clockAheadMs: createClockReader(directoryOptions),
    renewalInfo: (leafPem, signal) => fetchRenewalInfo(ca, leafPem, signal),
    async issue(request, progress, solvers, signal) {
      signal.throwIfAborted();
      const own = await ownCsr(request, progress);
      const deadline = { at: performance.now() + options.orderTimeoutMs, now, signal };
      const open = (lost: LostAccount | null = null): Promise<OpenAccount> =>
        openAccount(ca, accounts, options, { progress, lost, bound: { lookup: caa, names } }, signal);
      const run = ({ privateKey, url }: OpenAccount): Promise<IssueResult> => {
        const session = openSession(ca, privateKey, url, signal);
        return runOrder({ ca, session, request, own, progress, solvers, deadline });
      };
      /**
       * `isFirst`: a rollover that was begun is settled once. It may never end, so a lost account is found all the
       * same.
       */
      const runAs = async (account: OpenAccount, isFirst: boolean): Promise<IssueResult> => {
        try {
          return await run(account);
        } catch (error) {
          if (!(error instanceof RenewalError) || error.facts.class !== "configuration") throw error;
          if (isFirst && (await isKeyOutdated(ca, accounts, account))) return runAs(await open(), false);
          return run(await replaceLost(account, error));
        }
      };
      const replaceLost = async (account: OpenAccount, error: RenewalError): Promise<OpenAccount> => {
        const why = account.replaced === null ? await accountLoss(ca, account, error, signal) : null;
        if (why === null) throw error;
        const lost = await forgetAccount(ca, accounts, { url: account.url, why });
        // Its orders went with the account (RFC 8555 §7.3.6).
        if ((await progress.load()).orderUrl !== null)
          await progress.abandon(
            why === "forgotten" ? "the CA no longer knows the account" : "the account was deactivated at the CA",
          );
        return open(lost);
      };
      return runAs(await open(), true);
    },
  };
}

/** People learn of an account that was replaced, and which records have to name the new one. */
async function openAccount(
  ca: CertificateAuthority,
  accounts: Accounts,
  options: IssuerOptions,
  {
    progress,
    lost,
    bound,
  }: {
    readonly progress: OrderProgress;
    readonly lost: LostAccount | null;
    readonly bound: { readonly lookup: CaaLookup; readonly names: () => readonly BoundName[] };
  },
  signal: AbortSignal,
): Promise<OpenAccount> {
  const account = await ensureAccount(ca, accounts, options, signal, lost);
  if (account.replaced === null) return account;
  const { url: from, why } = account.replaced;
  const known = { accountUrl: account.url, keyThumbprint: thumbprint(account.privateKey) };
  const standing = standingOfDirectory(await ca.directory(signal), known);
  const change = { from, to: account.url, standing };
  const { lines, unchecked } = await boundRecords(bound.names(), change, bound.lookup, signal);
  const detail = {
    ...{ issuer: ca.issuer, from: sanitize(from, 500), to: sanitize(account.url, 500), why },
    ...(lines.length > 0 && { records: lines }),
    ...(unchecked > 0 && { unchecked }),
  };
  await progress.save({}, { type: "account.replaced", detail });
  return account;
}

/** What all requests to one CA share. Throws `config.invalid` when the directory is no https URL. */
export function certificateAuthority(
  options: IssuerOptions,
  now: () => number,
): { ca: CertificateAuthority; directoryOptions: DirectoryOptions } {
  const { name: issuer, directory, trustPem, proxy = null, requestTimeoutMs, externalAccount } = options;
  const transport = createTransport({ issuer, directory, trustPem, proxy, requestTimeoutMs });
  const directoryOptions = { issuer, directory, transport, now };
  const ca = {
    issuer,
    directoryUrl: directory,
    transport,
    nonces: new NoncePool(),
    missingOrders: new Set<string>(),
    registering: null,
    ...createDirectory(directoryOptions),
    externalAccount,
    now,
  };
  return { ca, directoryOptions };
}

interface Attempt {
  readonly ca: CertificateAuthority;
  readonly session: Session;
  readonly request: IssueRequest;
  /** null: renewd creates the request itself. */
  readonly own: CheckedCsr | null;
  readonly progress: OrderProgress;
  readonly solvers: readonly NamedSolver[];
  readonly deadline: Deadline;
}

/**
 * Key and order URL → challenges → CSR → finalize → download: each durable before the next, each skipped when done. The
 * key is of no use without its order, so both are saved at once.
 */
async function runOrder(attempt: Attempt): Promise<IssueResult> {
  const { ca, session, request, progress, solvers, deadline } = attempt;
  const privateKey = await keyOf(attempt);
  const wanted = { privateKey, csr: () => createRequest(attempt, privateKey) };
  const opened = await openOrder(ca, session, request, wanted, progress);
  let { order } = opened;
  const isOpen = order.status === "pending" || order.status === "ready";
  if (order.status === "pending")
    await answerChallenges({
      ...{ session, authorizations: neededOf(order, "authorizations"), request },
      ...{ solvers, progress, deadline },
    });
  if (opened.earlier !== null)
    await clearAbandonedAnswers({ session, authorizations: opened.earlier.authorizations ?? [], solvers, progress });
  if (isOpen) order = await finalize(attempt, order, await csrFor(attempt, opened, privateKey));
  order = await waitFor(attempt, "issuing", order, (found) => found.status === "valid");
  // If the certificate is bad, each attempt of this renewal downloads it again. Another order would get the same answer
  // and count against the CA's limits; the next renewal opens one.
  const url = neededOf(order, "certificate");
  const { leaf, leafPem, chainPem } = await downloadChain({ ca, session, request, progress, privateKey, url });
  if (request.disposable) await deactivateAuthorizations(session, opened.order.authorizations ?? []);
  return { leaf, leafPem, chainPem: withoutRoot(chainPem), privateKey };
}

async function keyOf({ request, own, progress }: Attempt): Promise<Secret> {
  const { privateKey: saved, orderUrl } = await progress.load();
  const fits = (key: Secret): boolean =>
    own === null ? keyTypeOf(key) === request.keyType : key.reveal() === own.privateKey.reveal();
  if (saved !== null && fits(saved)) return saved;
  const privateKey = own?.privateKey ?? request.privateKey ?? (await generateKey(request.keyType));
  // A stored CSR belongs to the lost key. Without it, `openOrder` knows that a finalized order is useless.
  if (orderUrl !== null) await progress.save({ privateKey, csr: null });
  return privateKey;
}

/**
 * The stored request if it is for this key and these names: finalize certifies whatever key and names it holds, and the
 * database it comes from may have been written by others. The key is sealed.
 */
async function csrFor(attempt: Attempt, { csr: stored, made }: OpenedOrder, privateKey: Secret): Promise<string> {
  const fault = stored === null ? null : csrFault(Buffer.from(stored, "base64url"), privateKey, attempt.request);
  if (stored !== null && fault === null) return stored;
  if (fault !== null)
    await attempt.progress.save({ csr: null }, { type: "order.csrDiscarded", detail: { why: fault } });
  const csr = made ?? (await createRequest(attempt, privateKey));
  await attempt.progress.save({ csr });
  return csr;
}

async function createRequest({ request, own }: Attempt, privateKey: Secret): Promise<string> {
  return own?.csr ?? Buffer.from(await createCsr(privateKey, request.identifiers)).toString("base64url");
}

/**
 * All authorizations are valid, so the order is ready (RFC 8555 §7.1.6). Asking first would cost one more request per
 * order.
 */
async function finalize(attempt: Attempt, order: Order, csr: string): Promise<Order> {
  const { session, progress } = attempt;
  const ask = (): ReturnType<Session["post"]> =>
    session.post("finalize the order", neededOf(order, "finalize"), { csr });
  let reply: Reply;
  try {
    reply = await ask();
  } catch (error) {
    if (!hasProblemType(error, "orderNotReady")) throw error;
    // The CA has not caught up with its own validations, or an earlier attempt has finalized the order.
    const current = await waitFor(
      attempt,
      "the authorized order",
      await fetchOrder(session, order.url),
      (found) => found.status !== "pending",
    );
    if (current.status !== "ready") return current;
    reply = await ask();
  }
  // Told with the certificate or what went wrong with it: the order's own state at the CA is what a worker resumes by.
  progress.note({ type: "order.finalized", detail: { order: order.url } });
  return readOrder(order.url, reply);
}

async function waitFor(
  { ca, session, deadline }: Attempt,
  what: string,
  order: Order,
  arrived: (order: Order) => boolean,
): Promise<Order> {
  const read = (found: Order): Order | null => {
    if (found.status === "invalid") throw orderFailure(ca, found);
    return arrived(found) ? found : null;
  };
  const again = (): ReturnType<Session["post"]> => session.post("return the order", order.url, null);
  return pollUntil(what, order.reply, again, (reply) => read(readOrder(order.url, reply)), deadline);
}
