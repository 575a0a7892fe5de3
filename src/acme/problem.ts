import type { IncomingHttpHeaders } from "node:http";
import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { ErrorCode } from "../domain/errorTable.ts";
import { sanitize } from "../domain/text.ts";
import { DAY_MS, retryAfterInstant } from "../domain/time.ts";
import { linksOf } from "./links.ts";
import { optionalMember } from "./member.ts";

/** No limit of a public CA lasts longer than its week; a stranger's header must not silence us for years. */
export const RETRY_AFTER_MAX_MS = 7 * DAY_MS;

export const TEXT_CHARACTERS_MAX = 500;
const SUBPROBLEMS_SHOWN_MAX = 5;

const identifier = z.object({ type: z.string(), value: z.string() });
const flat = z.object({
  type: z.string().catch("about:blank"),
  title: optionalMember(z.string()),
  detail: optionalMember(z.string()),
  status: optionalMember(z.number()),
});
const problemSchema = flat.extend({
  /** Where a person reads more, or has to act (RFC 8555 §7.3.3). */
  instance: optionalMember(z.string()),
  subproblems: optionalMember(z.array(flat.extend({ identifier: optionalMember(identifier) })).max(1000)),
});

/**
 * An ACME problem document (RFC 8555 §6.7, RFC 7807). Its text comes from the CA: show it only through
 * `describeProblem`.
 */
export type Problem = z.infer<typeof problemSchema>;

const PREFIX = "urn:ietf:params:acme:error:";

/** Every type of RFC 8555 §6.7, and the types of later documents that a CA may use. */
const CODES: Readonly<Record<string, ErrorCode>> = {
  accountDoesNotExist: "acme.account",
  alreadyRevoked: "acme.refused",
  badCSR: "acme.badCsr",
  badNonce: "acme.server",
  // Boulder's answer to a weak certificate key; account keys are always P-256.
  badPublicKey: "acme.badCsr",
  badRevocationReason: "acme.refused",
  badSignatureAlgorithm: "acme.account",
  caa: "acme.caa",
  connection: "acme.challengeConnection",
  dns: "acme.dns",
  externalAccountRequired: "acme.account",
  incorrectResponse: "acme.unauthorized",
  invalidContact: "acme.account",
  malformed: "acme.refused",
  // The request came too early or twice: the next attempt starts from the order's state then.
  orderNotReady: "acme.server",
  rateLimited: "acme.rateLimited",
  rejectedIdentifier: "acme.rejectedIdentifier",
  serverInternal: "acme.server",
  tls: "acme.challengeConnection",
  unauthorized: "acme.unauthorized",
  unsupportedContact: "acme.account",
  unsupportedIdentifier: "acme.rejectedIdentifier",
  userActionRequired: "acme.userAction",
  // RFC 9773 §7.4
  alreadyReplaced: "acme.refused",
  // draft-ietf-acme-profiles §6.3
  invalidProfile: "acme.profile",
};

/** Worst first: a compound problem counts as its gravest part. */
const GRAVITY: readonly ErrorCode[] = [
  "acme.rejectedIdentifier",
  "acme.caa",
  "acme.badCsr",
  "acme.profile",
  "acme.userAction",
  "acme.account",
  "acme.refused",
  "acme.rateLimited",
];

interface Refusal {
  /** Such as `CA "letsencrypt" refused to open an order for www.example.com`. */
  readonly what: string;
  /** That was asked: links may be relative to it. */
  readonly url: string;
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly body: unknown;
  readonly now: number;
}

/** The error of an HTTP answer that is no success. The problem is the error's `cause`, for `problemOf`. */
export function refusalError({ what, url, status, headers, body, now }: Refusal): RenewalError {
  const document = readProblem(body);
  const problem: Problem = document ?? { type: "about:blank", detail: `HTTP status ${status}` };
  const retryAt = retryAfterInstant(headers["retry-after"], { now: now, maxMs: RETRY_AFTER_MAX_MS });
  const code = codeOfAnswer(document, status);
  const links = code === "acme.userAction" ? whereToAct(problem, headers, url) : "";
  return new RenewalError(code, `${what}: ${describeProblem(problem)}${links}`, {
    cause: { ...problem, status },
    ...(retryAt !== null && { retryAt }),
  });
}

/** RFC 8555 §7.3.3: `instance` is for the person who has to act, and the terms are linked in the headers. */
function whereToAct({ instance }: Problem, headers: IncomingHttpHeaders, url: string): string {
  const terms = linksOf(headers, "terms-of-service")[0];
  const shownUrl = (link: string): string =>
    sanitize(URL.canParse(link, url) ? new URL(link, url).href : link, TEXT_CHARACTERS_MAX);
  const shown = [
    instance === undefined ? null : `the CA asks you to visit ${shownUrl(instance)}`,
    terms === undefined ? null : `its terms of service are at ${shownUrl(terms)}`,
  ].filter((each) => each !== null);
  return shown.length === 0 ? "" : `; ${shown.join("; ")}`;
}

/** The error of a problem inside an order, authorization or challenge (RFC 8555 §7.1.3, §7.1.6). */
export function validationError(what: string, error: unknown, fallback: ErrorCode): RenewalError {
  const parsed = problemSchema.safeParse(error);
  if (!parsed.success) return new RenewalError(fallback, `${what}; the CA gave no reason.`);
  return new RenewalError(codeOfProblem(parsed.data) ?? fallback, `${what}: ${describeProblem(parsed.data)}`, {
    cause: parsed.data,
  });
}

/** The problem behind an error this folder threw, null when there is none. */
export function problemOf(error: unknown): Problem | null {
  const cause = error instanceof RenewalError ? error.cause : null;
  // Every object would pass as a problem without a type: an error of the network is none.
  if (typeof cause !== "object" || cause === null || Object.getPrototypeOf(cause) !== Object.prototype) return null;
  return problemSchema.safeParse(cause).data ?? null;
}

export function hasProblemType(error: unknown, type: string): boolean {
  return problemOf(error)?.type === PREFIX + type;
}

/** A page of a proxy or of a CA in maintenance is no problem document, and neither is an empty object. */
function readProblem(body: unknown): Problem | null {
  const { success, data } = problemSchema.safeParse(body);
  return success && (data.type !== "about:blank" || (data.detail ?? data.title) !== undefined) ? data : null;
}

function codeOfAnswer(problem: Problem | null, status: number): ErrorCode {
  if (status === 429) return "acme.rateLimited";
  // Overload and maintenance are the CA's own trouble, even if it calls them a limit, as Boulder does.
  if (status === 503) return "acme.server";
  // Only the CA itself can say that a request is wrong, and it says so in a problem document (RFC 8555 §6.7).
  if (problem === null) return "acme.server";
  const code = codeOfProblem(problem);
  // In the answer to a request, unlike the outcome of a validation, the account lacks the right (§7.3.6).
  if (code === "acme.unauthorized") return "acme.account";
  if (code !== null) return code;
  return status >= 500 ? "acme.server" : "acme.refused";
}

function codeOfProblem(problem: Problem): ErrorCode | null {
  const name = problem.type.startsWith(PREFIX) ? problem.type.slice(PREFIX.length) : "";
  const own = Object.hasOwn(CODES, name) ? CODES[name] : undefined;
  const parts = (problem.subproblems ?? []).map((part) => codeOfProblem(part)).filter((code) => code !== null);
  if (name !== "compound" && name !== "malformed") return own ?? null;
  return GRAVITY.find((code) => parts.includes(code)) ?? parts[0] ?? own ?? null;
}

/** One line for people, of at most 500 characters: text, type and the names it is about. */
export function describeProblem(problem: Problem): string {
  const subproblems = problem.subproblems ?? [];
  const parts = subproblems.slice(0, SUBPROBLEMS_SHOWN_MAX).map((part) => {
    const name = part.identifier ? `${sanitize(part.identifier.value, 100)}: ` : "";
    return `${name}${sanitize(part.detail ?? part.title ?? part.type, 150)}`;
  });
  const more = subproblems.length - parts.length;
  const list = parts.length === 0 ? "" : ` [${parts.join("; ")}${more > 0 ? `; and ${more} more` : ""}]`;
  const type = problem.type === "about:blank" ? "" : ` (${sanitize(problem.type.replace(PREFIX, ""), 100)})`;
  const text = sanitize(problem.detail ?? problem.title ?? "no reason given", parts.length === 0 ? 390 : 150);
  return sanitize(`${text}${type}${list}`, TEXT_CHARACTERS_MAX);
}
