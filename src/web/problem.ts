import type { Context as Request } from "hono";
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { type RenewalError, toRenewalError } from "../domain/errors.ts";
import { isUnavailable } from "../domain/errorTable.ts";

/** RFC 9457. `code` and `action` are those of the table of errors. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: ContentfulStatusCode;
  readonly detail: string;
  readonly code: string;
  /** What to do. */
  readonly action: string;
  /** What is wrong with each member of a request. */
  readonly problems?: readonly { readonly path: string; readonly message: string }[];
  /** As the header `Retry-After` says it. */
  readonly retryAfterS?: number;
}

const TITLES = {
  400: "The request is not valid",
  401: "Who asks is not known",
  403: "Not permitted",
  404: "There is no such thing",
  405: "Not possible here",
  406: "Not available in this form",
  409: "Its state does not allow this",
  412: "It has changed meanwhile",
  413: "The request is too large",
  415: "The body must be JSON",
  421: "This host name is not served here",
  422: "The idempotency key is another request's",
  428: "The request needs a condition",
  500: "A bug in renewd",
  503: "Something that renewd needs is away",
} as const satisfies Partial<Record<ContentfulStatusCode, string>>;
export type ProblemStatus = keyof typeof TITLES;

export interface ProblemOptions {
  readonly code?: string;
  readonly action?: string;
  readonly problems?: Problem["problems"];
  readonly retryAfterS?: number;
}

/** Thrown by handlers: answered as problem+json, or as a page. */
export class HttpProblem extends Error {
  override readonly name = "HttpProblem";
  readonly problem: Problem;
  constructor(status: ProblemStatus, detail: string, options: ProblemOptions = {}) {
    super(detail);
    this.problem = problemOf(status, detail, options);
  }
}

export function problemOf(
  status: ProblemStatus,
  detail: string,
  {
    code = "request.invalid",
    action = "Change the request as the message says; nothing was done.",
    problems,
    retryAfterS,
  }: ProblemOptions,
): Problem {
  const type = `/api/v1/reference#${code}`;
  return {
    ...{ type, title: TITLES[status], status, detail, code, action },
    ...(problems && { problems }),
    ...(retryAfterS !== undefined && { retryAfterS }),
  };
}

/** `refused`: the status of a request that renewd's rules refuse. */
export function problemFrom(thrown: unknown, refused: ProblemStatus = 409): Problem {
  if (thrown instanceof HttpProblem) return thrown.problem;
  const error = toRenewalError(thrown);
  const { code, message, facts } = error;
  return problemOf(statusOf(error, refused), message, { code, action: facts.action });
}

function statusOf({ code, facts }: RenewalError, refused: ProblemStatus): ProblemStatus {
  if (code === "request.invalid") return refused;
  if (isUnavailable(code) || facts.class === "transient" || facts.class === "rateLimited") return 503;
  return code === "internal.bug" ? 500 : 409;
}

export function sendProblem(request: Request, problem: Problem): Response {
  if (problem.retryAfterS !== undefined) request.header("retry-after", String(problem.retryAfterS));
  return request.body(JSON.stringify(problem), problem.status, { "content-type": "application/problem+json" });
}
