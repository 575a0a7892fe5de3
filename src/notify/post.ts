import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import { CLEAR_TEXT_REFUSED, isClearText } from "../domain/loopback.ts";
import { parseSecretReference, SECRET_REFERENCE, SECRET_REFERENCE_ADVICE } from "../domain/secretReference.ts";
import { retryAfterInstant } from "../domain/time.ts";

const TIMEOUT_MS = 10_000;
const RETRY_AFTER_MAX_MS = 600_000;
/** They are about this one message: 404 and 410 end when a person corrects the URL's secret. */
const REFUSED: readonly number[] = [400, 413, 422];

/** An option that refers to a secret. */
export const secretOption = z
  .string()
  .regex(SECRET_REFERENCE, { error: SECRET_REFERENCE_ADVICE, abort: true })
  .transform(parseSecretReference);

/** The base URL of a service whose token is sent along. */
export const serviceUrl = z
  .url({ protocol: /^https?$/ })
  .refine((url) => !isClearText(url), CLEAR_TEXT_REFUSED)
  .transform((url) => url.replace(/\/+$/, ""));

export interface Posted {
  readonly channel: string;
  readonly url: URL;
  readonly body: object | string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of answers that mean "taken" although they are not 2xx. */
  readonly taken?: readonly number[];
}

/**
 * One POST of JSON. Throws `notify.refused` when the receiver will never take this message, `notify.failed` otherwise,
 * with the instant before which trying again is useless if the receiver names one. Neither quotes the URL or the
 * answer: the URL holds a secret, and an answer may echo it.
 */
export async function postJson(
  { channel, url, body, headers, taken = [] }: Posted,
  signal: AbortSignal,
): Promise<void> {
  const limited = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  let answer: Response;
  try {
    answer = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json", "user-agent": "renewd", ...headers },
      body: typeof body === "string" ? body : JSON.stringify(body),
      // A redirect could send the message anywhere.
      redirect: "manual",
      signal: limited,
    });
    await answer.body?.cancel();
  } catch {
    signal.throwIfAborted();
    const late = limited.aborted ? ` within ${TIMEOUT_MS / 1_000} s` : "";
    throw new RenewalError("notify.failed", `channel ${channel}: ${url.host} did not answer${late}`);
  }
  const { status } = answer;
  if ((status >= 200 && status < 300) || taken.includes(status)) return;
  const now = Date.now();
  const retryAt = retryAfterInstant(answer.headers.get("retry-after") ?? undefined, { now, maxMs: RETRY_AFTER_MAX_MS });
  throw new RenewalError(
    REFUSED.includes(status) ? "notify.refused" : "notify.failed",
    `channel ${channel}: ${url.host} answered ${status}`,
    { ...(retryAt !== null && { retryAt }) },
  );
}

/** The URL that a secret holds, such as an incoming webhook of a chat. Throws `config.secret`. */
export function addressOf(channel: string, text: string): URL {
  const url = URL.parse(text.trim());
  if (url !== null && (url.protocol === "https:" || url.protocol === "http:")) return url;
  throw new RenewalError("config.secret", `channel ${channel}: its \`url\` does not refer to an http or https URL`);
}

/** As `addressOf`, for services that nobody reaches without TLS. */
export function secureAddressOf(channel: string, text: string): URL {
  const url = addressOf(channel, text);
  if (isClearText(url.href))
    throw new RenewalError("config.secret", `channel ${channel}: its \`url\` ${CLEAR_TEXT_REFUSED}`);
  return url;
}
