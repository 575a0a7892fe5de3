import type { KeyObject } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { Client } from "acme-client";
import { RenewalError } from "../domain/errors.ts";
import type { ErrorCode } from "../domain/errorTable.ts";
import type { Secret } from "../domain/secret.ts";
import { Stopping } from "../domain/stopping.ts";
import { thumbprint } from "../x509/jwk.ts";
import { privateKeyOf } from "../x509/key.ts";
import { type Directory, type DirectoryCache, parseJson } from "./directory.ts";
import type { NoncePool } from "./nonce.ts";
import { problemOf, refusalError } from "./problem.ts";
import type { Transport } from "./transport.ts";

/** With Pebble refusing every second nonce, twenty retries leave one failure in two million requests. */
const BAD_NONCE_RETRIES_MAX = 20;

/** What a CA's own problem document always has one of (RFC 8555 §6.7); RFC 7807 §4.2. */
const NO_TYPE = "about:blank";
const UNANSWERED: readonly ErrorCode[] = ["acme.server", "acme.directory", "acme.connection", "acme.timeout"];
/** Nothing is at the URL. */
export const GONE: readonly number[] = [404, 405, 410];

/** RFC 8555 §7.3.4 */
export interface ExternalAccount {
  readonly keyId: string;
  /** Asked for when an account is registered, because operators remove it afterwards. Throws `config.secret`. */
  hmacKey(): Promise<Secret>;
}

/** What every order of one issuer shares. */
export interface CertificateAuthority {
  /** The issuer's name in configuration. */
  readonly issuer: string;
  readonly directoryUrl: string;
  readonly transport: Transport;
  readonly nonces: NoncePool;
  /** URLs of orders that were answered once with "not found" by something that may not have been the CA. */
  readonly missingOrders: Set<string>;
  /** Settles when the first account request of this process is through; null: none is under way. */
  registering: Promise<void> | null;
  readonly directory: DirectoryCache["directory"];
  readonly forgetDirectory: DirectoryCache["forgetDirectory"];
  readonly externalAccount: ExternalAccount | null;
  readonly now: () => number;
}

export interface Reply {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** Parsed JSON, or the text when it is none. From outside: validate before use. */
  readonly data: unknown;
}

/** Signed requests of one account under one signal. Each throws a RenewalError, or the signal's reason. */
export interface Session {
  directory(): Promise<Directory>;
  /** POST, or with a null payload POST-as-GET (RFC 8555 §6.3). `what` completes "the CA refused to …" for people. */
  post(what: string, url: string, payload: object | null): Promise<Reply>;
  /** newAccount, signed by the bare key (RFC 8555 §7.3). */
  createAccount(payload: object): Promise<Reply>;
  /** The account that the key has; its URL is the Location (RFC 8555 §7.3.1). Needs no external account. */
  findAccount(): Promise<Reply>;
  /**
   * Once sent, its answer is awaited for the time of one request although the signal aborts, unless the process stops:
   * the CA opens the order in any case, and an order whose URL nobody knows costs another one.
   */
  createOrder(payload: object): Promise<Reply>;
  /** RFC 8555 §8.1 */
  keyAuthorization(token: string): Promise<string>;
  /** Whose requests these are; the URL is "" for the bare key. */
  account(): { readonly accountUrl: string; readonly keyThumbprint: string };
}

interface Signer {
  /** null: the bare key signs. */
  readonly kid: string | null;
  readonly includeExternalAccountBinding: boolean;
}

// Boundary: acme-client's declarations leave out its HTTP layer, which it calls private and which has not changed since
// 2020. The package is pinned by the lock file, and every member used here is exercised against Pebble.
interface Internals {
  readonly http: {
    accountKey: KeyObject;
    externalAccountBinding: { kid: string; hmacKey: string };
    maxBadNonceRetries: number;
    request(url: string, method: string, options?: { data?: object }): Promise<Reply>;
    getDirectory(): Promise<Directory>;
    getNonce(): Promise<string>;
    signedRequest(url: string, payload: object | null, options: Signer): Promise<Reply>;
  };
}

/**
 * acme-client signs, binds external accounts and retries bad nonces; transport, nonces, directory and errors are ours.
 * A session is cheap: one per attempt, so that its requests end with the attempt's signal.
 */
export function openSession(
  ca: CertificateAuthority,
  accountKey: Secret,
  accountUrl: string | null,
  signal: AbortSignal,
): Session {
  const client: Client & Partial<Internals> = new Client({
    directoryUrl: ca.directoryUrl,
    accountKey: accountKey.reveal(),
  });
  const { http } = client;
  if (http === undefined) throw new TypeError("this release of acme-client has another HTTP layer");
  /** URLs whose answers are awaited unless the process stops. */
  const awaited = new Set<string>();
  patchHttpClient(http, ca, { accountKey, awaited }, signal);
  const post = async (
    what: string,
    url: string,
    payload: object | null,
    signer: Signer = { kid: accountUrl, includeExternalAccountBinding: false },
  ): Promise<Reply> => {
    const reply = await http.signedRequest(url, payload, signer);
    if (reply.status >= 200 && reply.status <= 299) return { ...reply, headers: withAbsoluteLocation(reply, url) };
    throw refusalError({
      what: `CA "${ca.issuer}" refused to ${what}`,
      url,
      status: reply.status,
      headers: reply.headers,
      body: reply.data,
      now: ca.now(),
    });
  };
  /** The answer names what it is about (RFC 8555 §7.3, §7.4); a page at a URL that moved does not. */
  const create: typeof post = async (what, url, ...rest) => {
    const reply = await post(what, url, ...rest);
    if (reply.headers.location !== undefined) return reply;
    const message = `CA "${ca.issuer}" was asked to ${what} and answered without its URL (RFC 8555 §7.3, §7.4).`;
    throw new RenewalError("acme.server", message);
  };
  return {
    directory: () => ca.directory(signal),
    async post(what, url, payload) {
      try {
        return await post(what, url, payload);
      } catch (error) {
        if (mayHaveMoved(error)) ca.forgetDirectory();
        throw error;
      }
    },
    async createAccount(payload) {
      const binding = await bindingOf(ca);
      if (binding !== null) http.externalAccountBinding = binding;
      const signer = { kid: null, includeExternalAccountBinding: binding !== null };
      return atDirectoryUrl(ca, "newAccount", (url) => create("create the account", url, payload, signer), signal);
    },
    findAccount() {
      const signer = { kid: null, includeExternalAccountBinding: false };
      const payload = { onlyReturnExisting: true };
      return atDirectoryUrl(ca, "newAccount", (url) => create("find the account", url, payload, signer), signal);
    },
    createOrder(payload) {
      const send = (url: string): Promise<Reply> => {
        awaited.add(url);
        return create("open an order", url, payload);
      };
      return atDirectoryUrl(ca, "newOrder", send, signal);
    },
    // For any type: solvers derive what they publish, and for dns-01 acme-client would return the digest already.
    keyAuthorization: (token) =>
      client.getChallengeKeyAuthorization({ type: "http-01", token, url: "", status: "pending" }),
    account: () => ({ accountUrl: accountUrl ?? "", keyThumbprint: thumbprint(accountKey) }),
  };
}

async function bindingOf({
  issuer,
  externalAccount,
}: CertificateAuthority): Promise<{ kid: string; hmacKey: string } | null> {
  if (externalAccount === null) return null;
  try {
    return { kid: externalAccount.keyId, hmacKey: (await externalAccount.hmacKey()).reveal() };
  } catch (error) {
    if (!(error instanceof RenewalError)) throw error;
    throw new RenewalError("acme.account", `externalAccount.hmacKey of issuer "${issuer}": ${error.message}.`, {
      cause: error,
    });
  }
}

/**
 * A CA may move its URLs at any time: when one fails, the directory is read again, and a new URL is tried at once. A
 * directory that cannot be read now is read by the next attempt.
 */
async function atDirectoryUrl<T>(
  ca: CertificateAuthority,
  name: "newNonce" | "newAccount" | "newOrder",
  send: (url: string) => Promise<T>,
  signal: AbortSignal,
): Promise<T> {
  const url = (await ca.directory(signal))[name];
  try {
    return await send(url);
  } catch (error) {
    signal.throwIfAborted();
    if (!mayHaveMoved(error)) throw error;
    ca.forgetDirectory();
    const current = await ca.directory(signal).catch(() => null);
    signal.throwIfAborted();
    if (current === null || current[name] === url) throw error;
    return send(current[name]);
  }
}

/** Nobody answered, or what answered did not speak as a CA does: it may be what stands now where the CA was. */
export function mayHaveMoved(error: unknown): boolean {
  if (!(error instanceof RenewalError)) return false;
  const { status = 0, type = NO_TYPE } = problemOf(error) ?? {};
  return GONE.includes(status) || (type === NO_TYPE && UNANSWERED.includes(error.code));
}

/** RFC 9110 §10.2.2 allows a relative Location. */
function withAbsoluteLocation({ headers }: Reply, url: string): IncomingHttpHeaders {
  const { location } = headers;
  return location !== undefined && URL.canParse(location, url)
    ? { ...headers, location: new URL(location, url).href }
    : headers;
}

/**
 * `signal` aborts with the other only where the process stops. To be disposed of: a signal made of others is kept in
 * memory as long as it has a listener.
 */
function untilStopping(signal: AbortSignal): Disposable & { readonly signal: AbortSignal } {
  const stopping = new AbortController();
  const stop = (): void => {
    if (signal.reason instanceof Stopping) stopping.abort(signal.reason);
  };
  signal.addEventListener("abort", stop, { once: true });
  return { signal: stopping.signal, [Symbol.dispose]: () => signal.removeEventListener("abort", stop) };
}

function patchHttpClient(
  http: Internals["http"],
  ca: CertificateAuthority,
  { accountKey, awaited }: { readonly accountKey: Secret; readonly awaited: ReadonlySet<string> },
  signal: AbortSignal,
): void {
  // Parsed once; acme-client would parse the PEM again for every signature.
  http.accountKey = privateKeyOf(accountKey);
  http.maxBadNonceRetries = BAD_NONCE_RETRIES_MAX;
  http.getDirectory = () => ca.directory(signal);
  http.request = async (url, method, { data } = {}) => {
    const verb = method.toUpperCase();
    if (verb !== "POST" && verb !== "HEAD") throw new TypeError(`unexpected ACME request method ${verb}`);
    signal.throwIfAborted();
    using stopping = awaited.has(url) ? untilStopping(signal) : null;
    const until = stopping?.signal ?? signal;
    const answer = await ca.transport.send(verb, url, data === undefined ? null : JSON.stringify(data), until);
    const { "replay-nonce": nonce, ...headers } = answer.headers;
    // Only the pool hands out nonces: were it left in the headers, a retry would use it and the pool once more.
    if (typeof nonce === "string") ca.nonces.put(nonce);
    return { status: answer.status, headers, data: parseJson(answer.body) ?? answer.body };
  };
  const fetchNonce = async (url: string): Promise<string> => {
    const reply = await http.request(url, "head");
    const fresh = ca.nonces.take();
    if (fresh !== null) return fresh;
    const what = `CA "${ca.issuer}" gave no nonce`;
    if (reply.status >= 200 && reply.status <= 299)
      throw new RenewalError("acme.server", `${what} at its newNonce URL (RFC 8555 §7.2).`);
    throw refusalError({ what, url, status: reply.status, headers: reply.headers, body: reply.data, now: ca.now() });
  };
  http.getNonce = async () => ca.nonces.take() ?? (await atDirectoryUrl(ca, "newNonce", fetchNonce, signal));
}
