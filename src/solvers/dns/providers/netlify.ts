import { z } from "zod";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, path, post, remove } from "../rest/request.ts";

const failure = z.object({ code: z.number(), message: z.string() });
const zone = z.object({ id: z.string(), name: z.string(), dns_servers: z.array(z.string()).optional() });
const record = z.object({ id: z.string(), hostname: z.string(), type: z.string(), value: z.string() });

export const netlify = defineRestProvider({
  type: "netlify",
  description: "Netlify DNS.",
  docs: "https://open-api.netlify.com/#tag/dnsZone",
  base: "https://api.netlify.com/api/v1",
  secrets: { token: "Personal access token." },
  auth: ({ token }) => ({ headers: { authorization: `Bearer ${token}` } }),
  failure(body) {
    const { data } = failure.safeParse(body);
    return data === undefined ? null : { text: data.message };
  },
  zones: {
    request: () => get("/dns_zones"),
    read: z.array(zone).transform((zones) => ({
      items: zones.map(({ id, name, dns_servers }) => ({
        id,
        name,
        ...(dns_servers !== undefined && { nameServers: dns_servers }),
      })),
    })),
  },
  model: "record",
  names: "full",
  list: {
    request: (within) => get(path`/dns_zones/${within.id}/dns_records`),
    read: z.array(record).transform((records) => ({
      items: records.map(({ id, hostname, type, value }) => ({ id, name: hostname, type, value })),
    })),
  },
  create: {
    request: (within, { name, ttlS }, value) =>
      post(path`/dns_zones/${within.id}/dns_records`, { type: "TXT", hostname: name, value, ttl: ttlS }),
    id: z.object({ id: z.string() }).transform(({ id }) => id),
  },
  remove: (within, _place, { id }) => remove(path`/dns_zones/${within.id}/dns_records/${id}`),
  traits: { rateLimit: { requests: 500, perMs: 60_000 } },
});
