import type { IncomingMessage } from "node:http";
import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { PeerAnswer } from "../domain/peer.ts";
import type { Secret } from "../domain/secret.ts";
import { sanitize } from "../domain/text.ts";

const TIMEOUT_MS = 10_000;
const ANSWER_BYTES_MAX = 65_536;
const REASON_CHARACTERS_MAX = 200;
const REASONS_MAX = 10;
/** Three centuries: what is more is no age, and no date could be told from it. */
const SWEEP_AGE_MAX_S = 10_000_000_000;

export interface PeerQuestion {
  readonly name: string;
  /** Of the other renewd, without a slash at its end. */
  readonly url: string;
  /** CAs that its certificate is trusted by, PEM; null: those of the system. */
  readonly trustPem: string | null;
  /** Sent along, for a proxy in front of it; null: none. */
  readonly token: Secret | null;
}

/** As src/web/health.ts writes it. A release before `sweepAgeSeconds` leaves that out. */
const readyz = z.object({
  status: z.enum(["ready", "notReady"]),
  checks: z.array(z.object({ name: z.string(), ok: z.boolean(), reason: z.string() })).max(100),
  sweepAgeSeconds: z.number().min(0).max(SWEEP_AGE_MAX_S).nullish(),
});

/**
 * Asks another renewd whether it does its work. Its status tells nothing by itself: 503 is an honest answer, and a
 * proxy's error page may come with 200. Throws `peer.unreachable`, which never quotes what is no answer of renewd.
 */
export async function askPeer(question: PeerQuestion, signal: AbortSignal): Promise<PeerAnswer> {
  const { host } = new URL(question.url);
  const timeout = AbortSignal.timeout(TIMEOUT_MS);
  let answer: { readonly status: number; readonly text: string };
  try {
    answer = await get(question, AbortSignal.any([signal, timeout]));
  } catch (cause) {
    signal.throwIfAborted();
    const why = timeout.aborted ? `within ${TIMEOUT_MS / 1_000} s` : reasonOf(cause);
    throw new RenewalError("peer.unreachable", `${host} did not answer: ${why}`, { cause });
  }
  const parsed = readyz.safeParse(parsedJson(answer.text));
  if (!parsed.success)
    throw new RenewalError("peer.unreachable", `${host} answered ${answer.status}, but not as renewd answers /readyz`);
  const { status, checks, sweepAgeSeconds = null } = parsed.data;
  return {
    ready: status === "ready",
    reasons: checks
      .filter(({ ok }) => !ok)
      .slice(0, REASONS_MAX)
      .map(({ name, reason }) => sanitize(`${name}: ${reason}`, REASON_CHARACTERS_MAX)),
    sweepAgeMs: sweepAgeSeconds === null ? null : Math.round(sweepAgeSeconds * 1_000),
  };
}

/** Never redirected: a redirect could carry the token elsewhere. */
async function get(
  { url, trustPem, token }: PeerQuestion,
  signal: AbortSignal,
): Promise<{ readonly status: number; readonly text: string }> {
  const address = new URL(`${url}/readyz`);
  // Loaded late: importing node:http loads Node's whole fetch, which no command that only shows something needs.
  const { request } = await (address.protocol === "https:" ? import("node:https") : import("node:http"));
  const headers = {
    ...{ accept: "application/json", "user-agent": "renewd" },
    ...(token !== null && { authorization: `Bearer ${token.reveal().trim()}` }),
  };
  return new Promise((resolve, reject) => {
    const options = { headers, signal, agent: false, ...(trustPem !== null && { ca: trustPem }) };
    const asked = request(address, options, (response) => read(response).then(resolve, reject));
    asked.on("error", reject);
    asked.end();
  });
}

async function read(response: IncomingMessage): Promise<{ readonly status: number; readonly text: string }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    const piece = Buffer.from(chunk);
    bytes += piece.length;
    if (bytes > ANSWER_BYTES_MAX) throw new Error(`its answer is longer than ${ANSWER_BYTES_MAX} bytes`);
    chunks.push(piece);
  }
  return { status: response.statusCode ?? 0, text: Buffer.concat(chunks).toString("utf8") };
}

function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

/** Node's own words, such as `connect ECONNREFUSED 192.0.2.1:443`: addresses and names, nothing of the request. */
function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map((each) => reasonOf(each)).join(", ");
  return sanitize(cause instanceof Error ? cause.message : String(cause), REASON_CHARACTERS_MAX);
}
