import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { RenewalInfo } from "../domain/renewalInfo.ts";
import { DAY_MS, HOUR_MS, retryAfterInstant } from "../domain/time.ts";
import { certId } from "../x509/certId.ts";
import { parseJson } from "./directory.ts";
import { RETRY_AFTER_MAX_MS, refusalError } from "./problem.ts";
import { type CertificateAuthority, mayHaveMoved } from "./session.ts";

/** RFC 9773 §4.3.2: a client limits Retry-After, as a mistaken CA could silence it or make it hammer. */
const POLL_MIN_MS = 60_000;
const POLL_MAX_MS = DAY_MS;
const POLL_DEFAULT_MS = 6 * HOUR_MS;

/** Shown to people: printable ASCII only, one or two lines at most. */
const EXPLANATION_URL = /^https:\/\/[\x21-\x7e]{1,1990}$/;

const instant = z.iso.datetime({ offset: true }).transform((text) => Date.parse(text));
const answerSchema = z.object({
  suggestedWindow: z.object({ start: instant, end: instant }),
  explanationURL: z.unknown().optional(),
});

/**
 * Asks when to renew this certificate (RFC 9773 §4.1). null: the CA offers no renewalInfo, or the leaf has no CertID.
 */
export async function fetchRenewalInfo(
  ca: CertificateAuthority,
  leafPem: string,
  signal: AbortSignal,
): Promise<RenewalInfo | null> {
  const { renewalInfo } = await ca.directory(signal);
  const id = certId(leafPem);
  if (renewalInfo === undefined || id === null) return null;
  const url = `${renewalInfo.replace(/\/$/, "")}/${id}`;
  const { status, headers, body } = await ca.transport.send("GET", url, null, signal).catch((error: unknown) => {
    if (mayHaveMoved(error)) ca.forgetDirectory();
    throw error;
  });
  const now = ca.now();
  const what = `CA "${ca.issuer}" refused renewalInfo`;
  const refusal = status === 200 ? null : refusalError({ what, url, status, headers, body: parseJson(body), now });
  const isUrlGone = refusal?.code === "acme.server" && status < 500;
  // No problem document: the URL may have moved. One certificate that the CA does not know is no trouble of the CA.
  if (mayHaveMoved(refusal)) ca.forgetDirectory();
  if (refusal !== null && !isUrlGone) throw refusal;
  const retryAt =
    retryAfterInstant(headers["retry-after"], { now: now, maxMs: RETRY_AFTER_MAX_MS }) ?? now + POLL_DEFAULT_MS;
  const pollAt = Math.min(Math.max(retryAt, now + POLL_MIN_MS), now + POLL_MAX_MS);
  const refuse = (why: string, cause?: unknown): never => {
    throw new RenewalError("acme.renewalInfo", `CA "${ca.issuer}" answered renewalInfo with ${why}; it is ignored.`, {
      cause,
      retryAt: pollAt,
    });
  };
  if (refusal !== null) return refuse(`status ${status} and no problem document`);
  const parsed = answerSchema.safeParse(parseJson(body));
  if (!parsed.success) ca.forgetDirectory();
  if (!parsed.success) return refuse("no suggestedWindow of two dates (RFC 9773 §4.2)", parsed.error);
  const { start, end } = parsed.data.suggestedWindow;
  if (end <= start) return refuse("a window that does not end after its start");
  return { start, end, explanationUrl: explanationOf(parsed.data.explanationURL), pollAt };
}

/** Shown as text, never fetched. Only a plain https URL is kept, because readers may click it. */
function explanationOf(url: unknown): string | null {
  if (typeof url !== "string" || !EXPLANATION_URL.test(url) || !URL.canParse(url)) return null;
  const { username, password, href } = new URL(url);
  return username === "" && password === "" ? href : null;
}
