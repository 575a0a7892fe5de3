import type { Context } from "../context.ts";
import { type RenewalRequest, type RequestAnswer, requestRenewal } from "./request.ts";

/** Copies of a request get the same answer for this long. */
const SAME_ANSWER_MS = 2_000;
const ANSWERS_MAX = 1_000;

interface Given {
  readonly at: number;
  readonly answer: Promise<RequestAnswer>;
}

/**
 * Answers requests. What a program asks again and again, such as a loop that went wrong, is decided once in a while:
 * each decision reads all about the certificate, and 100,000 of them would keep every other request waiting.
 */
export function createRequestDesk(context: Context): (request: RenewalRequest) => Promise<RequestAnswer> {
  const { clock } = context;
  const given = new Map<string, Given>();
  return (request) => {
    if (request.askedAt == null) return requestRenewal(context, request);
    const same = JSON.stringify([request.certificate, request.force]);
    const known = given.get(same);
    if (known !== undefined && clock.monotonic() - known.at < SAME_ANSWER_MS) return known.answer;
    if (given.size >= ANSWERS_MAX) given.clear();
    const answer = requestRenewal(context, request);
    given.set(same, { at: clock.monotonic(), answer });
    return answer;
  };
}
