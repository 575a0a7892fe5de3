import { z } from "zod";
import type { ErrorCode } from "../../../domain/errorTable.ts";
import { plainTxt, relativeName } from "../provider.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, path, post, remove } from "../rest/request.ts";

const error = z.object({ code: z.string(), message: z.string() });
/** A change is an action that may still run, or have failed, although the request was accepted. */
const failure = z.union([
  z.object({ error }).transform((body) => body.error),
  z.object({ action: z.object({ status: z.literal("error"), error }) }).transform(({ action }) => action.error),
]);
const CODES: Readonly<Record<string, ErrorCode>> = {
  unauthorized: "dns.credentials",
  forbidden: "dns.credentials",
  token_readonly: "dns.credentials",
  rate_limit_exceeded: "dns.rateLimited",
  // Another change of the same zone or set is under way.
  locked: "dns.busy",
  conflict: "dns.busy",
};
const zone = z.object({
  id: z.number(),
  name: z.string(),
  mode: z.string(),
  authoritative_nameservers: z.object({ assigned: z.array(z.string()) }).optional(),
});

/**
 * The Cloud API; the DNS Console's own API was shut down. That an action succeeded does not say that the name servers
 * have the change, so they are asked as with any other provider.
 */
export const hetzner = defineRestProvider({
  type: "hetzner",
  description: "Hetzner, through the Cloud API.",
  docs: "https://docs.hetzner.cloud/reference/cloud#tag/zone-rrsets",
  base: "https://api.hetzner.cloud/v1",
  secrets: { token: "API token (Read & Write) of the Hetzner Cloud project that has the zone." },
  auth: ({ token }) => ({ headers: { authorization: `Bearer ${token}` } }),
  failure(body) {
    const { data } = failure.safeParse(body);
    if (data === undefined) return null;
    const code = CODES[data.code];
    return { text: `${data.message} (${data.code})`, ...(code !== undefined && { code }) };
  },
  zones: {
    request: ({ number }) => get(path`/zones?per_page=50&page=${number}`),
    read: z
      .object({
        zones: z.array(zone),
        meta: z.object({ pagination: z.object({ next_page: z.number().nullable() }) }),
      })
      .transform(({ zones, meta }) => ({
        items: zones
          .filter(({ mode }) => mode === "primary")
          .map(({ id, name, authoritative_nameservers: servers }) => ({
            id: String(id),
            name,
            ...(servers !== undefined && { nameServers: servers.assigned }),
          })),
        next: meta.pagination.next_page !== null,
      })),
  },
  records: {
    names: "relative",
    request: (within, { number }) => get(path`/zones/${within.id}/rrsets?per_page=50&page=${number}`),
    read: z
      .object({
        rrsets: z.array(z.object({ name: z.string(), type: z.string() })),
        meta: z.object({ pagination: z.object({ next_page: z.number().nullable() }) }),
      })
      .transform(({ rrsets, meta }) => ({ items: rrsets, next: meta.pagination.next_page !== null })),
  },
  model: "rrset",
  read: {
    request: (within, name) => get(path`/zones/${within.id}/rrsets/${relativeName(name, within)}/TXT`),
    read: z
      .object({ rrset: z.object({ ttl: z.number().nullable(), records: z.array(z.object({ value: z.string() })) }) })
      .transform(({ rrset }) => ({ values: rrset.records.map(({ value }) => plainTxt(value)), ttlS: rrset.ttl })),
  },
  replace(within, { name, ttlS }, { before, values }) {
    const label = relativeName(name, within);
    const records = values.map((value) => ({ value: `"${value}"` }));
    if (values.length === 0) return remove(path`/zones/${within.id}/rrsets/${label}/TXT`);
    if (before.values.length === 0)
      return post(path`/zones/${within.id}/rrsets`, { name: label, type: "TXT", ttl: ttlS, records });
    return post(path`/zones/${within.id}/rrsets/${label}/TXT/actions/set_records`, { records });
  },
  traits: { ttlMinS: 60, rateLimit: { requests: 3, perMs: 1_000 } },
});
