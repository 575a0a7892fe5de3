import { RenewalError } from "../domain/errors.ts";

const TIMEOUT_MS = 10_000;
const TEXT_MAX = 10_000;

export interface Ping {
  /** As it was configured; it holds a secret. */
  readonly url: URL;
  /** `healthchecks` takes starts and failures too (healthchecks.io/docs/http_api); others successes only. */
  readonly style: "healthchecks" | "plain";
  readonly kind: "start" | "success" | "fail";
  readonly text: string;
}

/** One request. Throws `notify.failed`, which names the host only: the URL is the key of the check. */
export async function pingHeartbeat({ url, style, kind, text }: Ping, signal: AbortSignal): Promise<void> {
  if (style === "plain" && kind !== "success") return;
  const limited = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  let answer: Response;
  try {
    answer = await fetch(addressOf(url, kind), {
      method: style === "plain" ? "GET" : "POST",
      headers: { "user-agent": "renewd" },
      ...(style === "healthchecks" && { body: text.slice(0, TEXT_MAX) }),
      redirect: "manual",
      signal: limited,
    });
    await answer.body?.cancel();
  } catch {
    signal.throwIfAborted();
    throw new RenewalError("notify.failed", `heartbeat: ${url.host} did not answer`);
  }
  if (answer.status < 200 || answer.status > 299)
    throw new RenewalError("notify.failed", `heartbeat: ${url.host} answered ${answer.status}`);
}

function addressOf(url: URL, kind: Ping["kind"]): URL {
  if (kind === "success") return url;
  const address = new URL(url);
  address.pathname = `${address.pathname.replace(/\/+$/, "")}/${kind}`;
  return address;
}
