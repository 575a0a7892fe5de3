// The ways in which one answer of a CA goes wrong once, and an order that must survive each of them: with waits that
// the certificate's runway allows, and done when the hiccup is over.
import { brotliCompressSync, gzipSync } from "node:zlib";
import { createIssuer } from "../../../src/acme/issuer.ts";
import { toRenewalError } from "../../../src/domain/errors.ts";
import type { Solver } from "../../../src/domain/issuer.ts";
import { maxBackoffMs, retryAt } from "../../../src/renewal/rules/backoff.ts";
import { DEFAULT_SETTINGS } from "../../../src/renewal/rules/settings.ts";
import { named as namedSolver } from "../dns/dependencies.ts";
import { identifierOf } from "../identifier.ts";
import { version } from "../model/facts.ts";
import { memoryAccounts, memoryProgress } from "../model/orderMemory.ts";
import type { AcmeProxy, ProxiedRequest, ProxyAnswer } from "./acmeProxy.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const PAGE = { "content-type": "text/html" };
const PROBLEM = { "content-type": "application/problem+json" };
const CENTURY_S = 3_155_760_000;

/** `forward` asks the CA, which then has done what it was asked for. */
export type Hiccup = (forward: () => Promise<ProxyAnswer>, request: ProxiedRequest) => Promise<ProxyAnswer | "reset">;

const page = (status: number, headers: ProxyAnswer["headers"] = {}): Hiccup => {
  return async () => ({ status, headers: { ...PAGE, ...headers }, body: "<!doctype html><title>Sorry</title>" });
};
const problem = (status: number, type: string, headers: ProxyAnswer["headers"] = {}): Hiccup => {
  const body = JSON.stringify({ type: `urn:ietf:params:acme:error:${type}`, detail: "not this time", status });
  return async () => ({ status, headers: { ...PROBLEM, ...headers }, body });
};
const changed = (change: (answer: ProxyAnswer) => ProxyAnswer): Hiccup => {
  return async (forward) => change(await forward());
};
const without = (name: string): Hiccup =>
  changed((answer) => ({
    ...answer,
    headers: Object.fromEntries(Object.entries(answer.headers).filter(([header]) => header !== name)),
  }));
const added = (headers: ProxyAnswer["headers"]): Hiccup =>
  changed((answer) => ({ ...answer, headers: { ...answer.headers, ...headers } }));

/** By name. */
export const HICCUPS: Readonly<Record<string, Hiccup>> = {
  "a page with status 200": page(200),
  "a page instead of the answer, after the CA has acted": changed(({ headers }) => ({
    ...{ status: 200, headers: { ...headers, ...PAGE } },
    body: "<!doctype html>",
  })),
  "a page with status 403": page(403),
  "a page with status 404": page(404),
  "a page with status 405": page(405),
  "a page with status 410": page(410),
  "a page with status 500": page(500),
  "a page with status 502": page(502),
  "status 503 for a day": page(503, { "retry-after": "86400" }),
  "status 503 for a century": page(503, { "retry-after": String(CENTURY_S) }),
  "status 503 until a date in 2126": page(503, { "retry-after": "Fri, 04 Jan 2126 00:00:00 GMT" }),
  "status 429 for a day": problem(429, "rateLimited", { "retry-after": "86400" }),
  "status 429 for a century": problem(429, "rateLimited", { "retry-after": String(CENTURY_S) }),
  "status 429 without an instant": problem(429, "rateLimited"),
  "a good answer with a Retry-After of a day": added({ "retry-after": "86400" }),
  "a good answer that is compressed by gzip": changed((answer) => ({
    ...{ ...answer, headers: { ...answer.headers, "content-encoding": "gzip" } },
    bytes: gzipSync(answer.body),
  })),
  "a good answer that is compressed by brotli": changed((answer) => ({
    ...{ ...answer, headers: { ...answer.headers, "content-encoding": "br" } },
    bytes: brotliCompressSync(answer.body),
  })),
  "an answer that only says it is compressed": added({ "content-encoding": "gzip" }),
  "half an answer": changed((answer) => ({ ...answer, body: answer.body.slice(0, answer.body.length / 2) })),
  "no body": changed((answer) => ({ ...answer, body: "" })),
  "an empty object": changed((answer) => ({ ...answer, body: "{}" })),
  "an empty list": changed((answer) => ({ ...answer, body: "[]" })),
  "no nonce": without("replay-nonce"),
  "no Location": without("location"),
  "a relative Location": changed((answer) => {
    const { location } = answer.headers;
    const relative = typeof location === "string" ? { location: new URL(location).pathname } : {};
    return { ...answer, headers: { ...answer.headers, ...relative } };
  }),
  "a redirect to a page that is not there": page(302, { location: "/elsewhere" }),
  "a redirect to itself": async (_forward, { path }) => ({ status: 307, headers: { location: path }, body: "" }),
  "a redirect to another origin": page(301, { location: "https://192.0.2.1/dir" }),
  "a connection cut before the answer": async () => "reset",
  "a connection cut after the CA has acted": async (forward) => forward().then(() => "reset"),
  "the problem unauthorized": problem(403, "unauthorized"),
  "the problem malformed": problem(400, "malformed"),
  "the problem rejectedIdentifier": problem(400, "rejectedIdentifier"),
  "the problem userActionRequired": problem(403, "userActionRequired"),
  "the problem accountDoesNotExist": problem(400, "accountDoesNotExist"),
  "the problem serverInternal": problem(500, "serverInternal"),
  "the problem badNonce": problem(400, "badNonce"),
};

const under =
  (folder: string) =>
  ({ path }: ProxiedRequest): boolean =>
    path.startsWith(`/${folder}/`);
const named =
  (name: string) =>
  ({ resource }: ProxiedRequest): boolean =>
    resource === name;

/** Every request of an order at Pebble, by name. */
export const REQUESTS: Readonly<Record<string, (request: ProxiedRequest) => boolean>> = {
  directory: named("directory"),
  newNonce: named("newNonce"),
  newAccount: named("newAccount"),
  newOrder: named("newOrder"),
  authorization: under("authZ"),
  challenge: under("chalZ"),
  finalize: under("finalize-order"),
  order: under("my-order"),
  certificate: under("certZ"),
};

/** Of the certificate that the order is to replace: more waits than these fit into it many times. */
const LEFT_MS = 4 * HOUR_MS;
const ATTEMPTS_MAX = 4;

export interface Survived {
  /** Waits between the attempts, ms. */
  readonly waitsMs: readonly number[];
  /** Waits that are longer than the runway allows, in words; none: as it should be. */
  readonly tooLong: readonly string[];
  /** Finalize requests that the CA accepted: certificates. */
  readonly issued: number;
  /** Null: it has its certificate. */
  readonly failed: string | null;
}

let count = 0;

/** One order from nothing on, as a renewal would go about it: attempt, wait as the rules say, attempt. */
export async function survive(
  proxy: AcmeProxy,
  solver: Solver,
  matches: (request: ProxiedRequest) => boolean,
  hiccup: Hiccup,
): Promise<Survived> {
  let now = Date.now();
  let done = false;
  let issued = 0;
  proxy.intercept = async (request, forward) => {
    const counted = async (): Promise<ProxyAnswer> => {
      const answer = await forward();
      if (request.path.startsWith("/finalize-order/") && answer.status === 200) issued += 1;
      return answer;
    };
    if (done || !matches(request)) return counted();
    done = true;
    return hiccup(counted, request);
  };
  const options = { name: "pebble", directory: proxy.directory, trustPem: proxy.trustPem, contact: [] };
  const limits = { requestTimeoutMs: 10_000, orderTimeoutMs: 20_000 };
  const issuer = createIssuer(
    { ...options, ...limits, termsOfServiceAgreed: true, externalAccount: null },
    { accounts: memoryAccounts(), now: () => now },
  );
  const { leaf } = version();
  const latest = { leaf: { ...leaf, notBefore: now + LEFT_MS - 90 * DAY_MS, notAfter: now + LEFT_MS } };
  const name = `hiccup-${++count}.example.org`;
  const request = { certificate: name, identifiers: [identifierOf(name)], keyType: "ecdsa-p256" as const };
  const progress = memoryProgress();
  const [waitsMs, tooLong]: [number[], string[]] = [[], []];
  let previousCode: string | null = null;
  for (let failures = 1; ; failures += 1) {
    try {
      await issuer.issue(request, progress, [namedSolver(solver)], new AbortController().signal);
      return { waitsMs, tooLong, issued, failed: null };
    } catch (thrown) {
      const error = toRenewalError(thrown);
      const waitMaxMs = maxBackoffMs(latest, now);
      const attempt = { error, failures, attemptsMax: DEFAULT_SETTINGS.issueAttemptsMax, previousCode, waitMaxMs };
      const next = retryAt(attempt, DEFAULT_SETTINGS, now);
      if (next === null || failures >= ATTEMPTS_MAX)
        return { waitsMs, tooLong, issued, failed: `${error.code}: ${error.message}` };
      if (next - now > LEFT_MS / 8) tooLong.push(`${next - now} ms after ${error.code}`);
      waitsMs.push(next - now);
      [previousCode, now] = [error.code, next];
    }
  }
}
