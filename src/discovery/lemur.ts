import { z } from "zod";
import type { DiscoverySource } from "../domain/discovery.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Secret } from "../domain/secret.ts";
import { sanitize } from "../domain/text.ts";
import { CERTIFICATE_BYTES_MAX, foundCertificate } from "../x509/describe.ts";

const PAGE_ITEMS = 100;
const PAGES_MAX = 1_000;
const PAGE_BYTES_MAX = 16 * 1_048_576;
const TIMEOUT_MS = 30_000;

/** `GET /api/1/certificates` (https://lemur.readthedocs.io/en/latest/developer/index.html). It has no private key. */
const page = z.object({
  items: z.array(z.object({ id: z.number(), name: z.string().nullish(), body: z.string().max(CERTIFICATE_BYTES_MAX) })),
  total: z.number(),
});

export interface LemurAccess {
  readonly url: string;
  readonly token: () => Promise<Secret>;
}

/** Certificates that Netflix Lemur knows, read through its API. */
export function lemurSource({ url, token }: LemurAccess): DiscoverySource {
  const { host } = new URL(url);
  return {
    name: "lemur",
    async look(report, signal) {
      const secret = await token();
      for (let number = 1; number <= PAGES_MAX; number++) {
        const { items, total } = await readPage(url, secret, number, signal);
        for (const { id, name, body } of items) {
          const certificate = foundCertificate(body);
          if (certificate === null) report.problem(`${host}: certificate ${id} cannot be read`);
          else
            report.found(certificate, {
              place: sanitize(`${host}: certificate ${id} (${name ?? "without a name"})`, 300),
              endpoint: null,
              target: null,
            });
        }
        if (items.length === 0 || number * PAGE_ITEMS >= total) return;
      }
      report.problem(`${host} has more than ${PAGES_MAX * PAGE_ITEMS} certificates: the rest was not read`);
    },
  };
}

async function readPage(
  url: string,
  token: Secret,
  number: number,
  signal: AbortSignal,
): Promise<z.output<typeof page>> {
  const at = new URL("/api/1/certificates", url);
  at.search = `count=${PAGE_ITEMS}&page=${number}&sortBy=id&sortDir=asc`;
  const patience = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  try {
    const headers = { authorization: `Bearer ${token.reveal()}`, accept: "application/json" };
    const response = await fetch(at, { headers, redirect: "error", signal: patience });
    if (!response.ok) {
      await response.body?.cancel();
      throw new TypeError(`it answered ${response.status}`);
    }
    return page.parse(JSON.parse(await boundedText(response)));
  } catch (cause) {
    signal.throwIfAborted();
    throw new RenewalError("discovery.unreachable", `${at.host} (Lemur): ${reasonOf(cause, patience)}`, { cause });
  }
}

async function boundedText(response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > PAGE_BYTES_MAX) throw new TypeError(`it answered with more than ${PAGE_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString("utf8");
}

/** Never the answer itself, which may repeat the token. */
function reasonOf(cause: unknown, patience: AbortSignal): string {
  if (patience.aborted) return "no answer in time";
  if (cause instanceof z.ZodError || cause instanceof SyntaxError) return "its answer is not a list of certificates";
  return cause instanceof TypeError && /^it answered/.test(cause.message) ? cause.message : "no connection";
}
