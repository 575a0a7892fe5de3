import type { KeyObject } from "node:crypto";
import type { IncomingHttpHeaders } from "node:http";
import { Client } from "acme-client";
import { RenewalError } from "../domain/errors.ts";
import type { Secret } from "../domain/secret.ts";
import { privateKeyOf } from "../x509/key.ts";
import { type Directory, parseJson } from "./directory.ts";
import type { NoncePool } from "./nonce.ts";
import { refusalError } from "./problem.ts";
import type { Transport } from "./transport.ts";

/** With Pebble refusing every second nonce, twenty retries leave one failure in two million requests. */
const BAD_NONCE_RETRIES_MAX = 20;

/** What every order of one issuer shares. */
export interface CertificateAuthority {
  /** The issuer's name in configuration. */
  readonly issuer: string;
  readonly directoryUrl: string;
  readonly transport: Transport;
  readonly nonces: NoncePool;
  readonly directory: (signal: AbortSignal) => Promise<Directory>;
  readonly externalAccount: { readonly keyId: string; readonly hmacKey: Secret } | null;
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
  createOrder(payload: object): Promise<Reply>;
  /** RFC 8555 §8.1 */
  keyAuthorization(token: string): Promise<string>;
}

// Boundary: acme-client's declarations leave out its HTTP layer, which it calls private and which has not changed since
// 2020. The package is pinned by the lock file, and every member used here is exercised against Pebble.
interface Internals {
  readonly http: {
    accountKey: KeyObject;
    maxBadNonceRetries: number;
    request(url: string, method: string, options?: { data?: object }): Promise<Reply>;
    getDirectory(): Promise<Directory>;
    getNonce(): Promise<string>;
    signedRequest(
      url: string,
      payload: object | null,
      options: { kid: string | null; includeExternalAccountBinding: boolean },
    ): Promise<Reply>;
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
  const client = new Client({
    directoryUrl: ca.directoryUrl,
    accountKey: accountKey.reveal(),
    ...(ca.externalAccount && {
      externalAccountBinding: { kid: ca.externalAccount.keyId, hmacKey: ca.externalAccount.hmacKey.reveal() },
    }),
  });
  const { http } = client as unknown as Internals;
  patchHttpClient(http, ca, accountKey, signal);
  const post = async (what: string, url: string, payload: object | null, isNewAccount = false): Promise<Reply> => {
    const reply = await http.signedRequest(url, payload, {
      kid: isNewAccount ? null : accountUrl,
      includeExternalAccountBinding: isNewAccount,
    });
    if (reply.status >= 200 && reply.status <= 299) return reply;
    throw refusalError({
      what: `CA "${ca.issuer}" refused to ${what}`,
      status: reply.status,
      headers: reply.headers,
      body: reply.data,
      now: ca.now(),
    });
  };
  return {
    directory: () => ca.directory(signal),
    post: (what, url, payload) => post(what, url, payload),
    createAccount: async (payload) =>
      post("create the account", (await ca.directory(signal)).newAccount, payload, true),
    createOrder: async (payload) => post("open an order", (await ca.directory(signal)).newOrder, payload),
    // For any type: solvers derive what they publish, and for dns-01 acme-client would return the digest already.
    keyAuthorization: (token) =>
      client.getChallengeKeyAuthorization({ type: "http-01", token, url: "", status: "pending" }),
  };
}

function patchHttpClient(
  http: Internals["http"],
  ca: CertificateAuthority,
  accountKey: Secret,
  signal: AbortSignal,
): void {
  // Parsed once; acme-client would parse the PEM again for every signature.
  http.accountKey = privateKeyOf(accountKey);
  http.maxBadNonceRetries = BAD_NONCE_RETRIES_MAX;
  http.getDirectory = () => ca.directory(signal);
  http.request = async (url, method, { data } = {}) => {
    const verb = method.toUpperCase();
    if (verb !== "POST" && verb !== "HEAD") throw new TypeError(`unexpected ACME request method ${verb}`);
    const answer = await ca.transport.send(verb, url, data === undefined ? null : JSON.stringify(data), signal);
    const { "replay-nonce": nonce, ...headers } = answer.headers;
    // Only the pool hands out nonces: were it left in the headers, a retry would use it and the pool once more.
    if (typeof nonce === "string") ca.nonces.put(nonce);
    return { status: answer.status, headers, data: parseJson(answer.body) ?? answer.body };
  };
  http.getNonce = async () => {
    const pooled = ca.nonces.take();
    if (pooled !== null) return pooled;
    const { newNonce } = await ca.directory(signal);
    const reply = await http.request(newNonce, "head");
    const fresh = ca.nonces.take();
    if (fresh !== null) return fresh;
    if (reply.status === 429 || reply.status >= 500) {
      throw refusalError({
        what: `CA "${ca.issuer}" gave no nonce`,
        status: reply.status,
        headers: reply.headers,
        body: reply.data,
        now: ca.now(),
      });
    }
    throw new RenewalError(
      "acme.directory",
      `CA "${ca.issuer}" answers its newNonce URL without a nonce (RFC 8555 §7.2).`,
    );
  };
}
