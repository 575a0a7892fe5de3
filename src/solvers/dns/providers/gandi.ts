import { z } from "zod";
import { plainTxt, relativeName } from "../provider.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, path, put, remove } from "../rest/request.ts";

const failure = z.object({
  message: z.string(),
  errors: z.array(z.object({ description: z.string() })).optional(),
});
const PER_PAGE = 100;

export const gandi = defineRestProvider({
  type: "gandi",
  description: "Gandi LiveDNS.",
  docs: "https://api.gandi.net/docs/livedns/",
  base: "https://api.gandi.net/v5",
  secrets: { token: "Personal access token with “Manage domain name technical configurations”." },
  auth: ({ token }) => ({ headers: { authorization: `Bearer ${token}` } }),
  failure(body) {
    const { data } = failure.safeParse(body);
    // Successful changes are answered with a message, too, and without a status.
    const isError = z.object({ status: z.literal("error") }).safeParse(body).success;
    const isCause = z.object({ cause: z.string() }).safeParse(body).success;
    if (data === undefined || (!isError && !isCause)) return null;
    return { text: [data.message, ...(data.errors ?? []).map(({ description }) => description)].join("; ") };
  },
  zones: {
    request: ({ number }) => get(path`/livedns/domains?per_page=${PER_PAGE}&page=${number}`),
    read: z.array(z.object({ fqdn: z.string() })).transform((domains) => ({
      items: domains.map(({ fqdn }) => ({ id: fqdn, name: fqdn })),
      next: domains.length === PER_PAGE,
    })),
  },
  model: "rrset",
  read: {
    request: (zone, name) => get(path`/livedns/domains/${zone.id}/records/${relativeName(name, zone)}/TXT`),
    read: z
      .object({ rrset_values: z.array(z.string()), rrset_ttl: z.number() })
      .transform(({ rrset_values, rrset_ttl }) => ({ values: rrset_values.map(plainTxt), ttlS: rrset_ttl })),
  },
  replace(zone, { name, ttlS }, { values }) {
    const where = path`/livedns/domains/${zone.id}/records/${relativeName(name, zone)}/TXT`;
    return values.length === 0 ? remove(where) : put(where, { rrset_values: values, rrset_ttl: ttlS });
  },
  traits: { ttlMinS: 300, propagationMaxMs: 1_200_000, rateLimit: { requests: 1_000, perMs: 60_000 } },
});
