import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { CredentialEnd } from "../domain/horizon.ts";
import { CLEAR_TEXT_REFUSED, isClearText } from "../domain/loopback.ts";
import { boundedJson } from "./boundedJson.ts";

/** RFC 9224 §4: services by the domains that they answer for. */
const bootstrapJson = z.object({ services: z.array(z.tuple([z.array(z.string()), z.array(z.string())])) });
/** RFC 9083 §4.5 and §5.3; registries add members of their own. */
const domainJson = z.object({
  objectClassName: z.literal("domain"),
  status: z.array(z.string()).default([]),
  events: z.array(z.object({ eventAction: z.string(), eventDate: z.string() })).default([]),
});

/**
 * When the registration of a domain ends, from the registry that the bootstrap file names for it (RDAP). Throws
 * `horizon.unknown`.
 */
export async function registrationEnd(bootstrap: string, domain: string, signal: AbortSignal): Promise<CredentialEnd> {
  const { services } = await read(bootstrap, "application/json", bootstrapJson, signal);
  const base = serviceOf(services, domain);
  if (base === null) throw unknown(`${bootstrap} names no RDAP service for ${domain}`);
  const url = new URL(`domain/${encodeURIComponent(domain)}`, base.endsWith("/") ? base : `${base}/`);
  const { events, status } = await read(url.href, "application/rdap+json", domainJson, signal);
  const at = (action: string): number | null => {
    const found = events.find(({ eventAction }) => eventAction === action);
    const instant = Date.parse(found?.eventDate ?? "");
    return Number.isNaN(instant) ? null : instant;
  };
  const ends = at("expiration");
  if (ends === null) throw unknown(`${url.host} does not say when the registration of ${domain} ends`);
  // RFC 8056: what a registrar sets before a domain goes away.
  const bad = status.filter((word) => /hold|redemption|pending delete/i.test(word));
  const note = bad.length === 0 ? `says ${url.host}` : `${url.host} says: ${bad.join(", ")}`;
  return { what: "registration", ends, begins: at("registration"), note };
}

/** The service with the longest entry that the domain lies in; https where there is a choice (RFC 9224 §4). */
function serviceOf(services: z.infer<typeof bootstrapJson>["services"], domain: string): string | null {
  const labels = (entry: string): number => entry.split(".").length;
  const found = services
    .flatMap(([entries, urls]) => entries.map((entry) => ({ entry: entry.toLowerCase(), urls })))
    .filter(({ entry }) => domain === entry || domain.endsWith(`.${entry}`))
    .sort((a, b) => labels(b.entry) - labels(a.entry))[0];
  return found?.urls.find((url) => url.startsWith("https:")) ?? found?.urls[0] ?? null;
}

async function read<T>(url: string, accept: string, schema: z.ZodType<T>, signal: AbortSignal): Promise<T> {
  if (isClearText(url)) throw unknown(`${url}: ${CLEAR_TEXT_REFUSED}`);
  const { host } = new URL(url);
  const response = await fetch(url, { headers: { accept }, signal }).catch((cause: unknown) => {
    signal.throwIfAborted();
    throw unknown(`${host} does not answer`, cause);
  });
  if (!response.ok) {
    await response.body?.cancel();
    throw unknown(`${host} answered ${response.status}`);
  }
  const answer = schema.safeParse(await boundedJson(response, host));
  if (!answer.success) throw unknown(`${host} answered something that is no such document (RFC 9083, RFC 9224)`);
  return answer.data;
}

function unknown(message: string, cause?: unknown): RenewalError {
  return new RenewalError("horizon.unknown", message, { cause });
}
