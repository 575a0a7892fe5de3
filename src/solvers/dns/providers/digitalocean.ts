import { z } from "zod";
import { relativeName } from "../provider.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, path, post, remove } from "../rest/request.ts";

const failure = z.object({ id: z.string(), message: z.string() });
const links = z.object({ pages: z.object({ next: z.string().optional() }).optional() }).optional();
const hasNext = (given: z.infer<typeof links>): boolean => given?.pages?.next !== undefined;
const record = z.object({ id: z.number(), type: z.string(), name: z.string(), data: z.string() });

export const digitalocean = defineRestProvider({
  type: "digitalocean",
  description: "DigitalOcean.",
  docs: "https://docs.digitalocean.com/reference/api/digitalocean/#tag/Domain-Records",
  base: "https://api.digitalocean.com/v2",
  secrets: { token: "Personal access token with the scopes domain:read, domain:create and domain:delete." },
  auth: ({ token }) => ({ headers: { authorization: `Bearer ${token}` } }),
  failure(body) {
    const { data } = failure.safeParse(body);
    return data === undefined ? null : { text: `${data.message} (${data.id})` };
  },
  zones: {
    request: ({ number }) => get(path`/domains?per_page=200&page=${number}`),
    read: z
      .object({ domains: z.array(z.object({ name: z.string() })), links })
      .transform(({ domains, links: given }) => ({
        items: domains.map(({ name }) => ({ id: name, name })),
        next: hasNext(given),
      })),
  },
  model: "record",
  list: {
    request: (zone, name, { number }) =>
      get(path`/domains/${zone.id}/records?type=TXT&name=${name}&per_page=200&page=${number}`),
    read: z.object({ domain_records: z.array(record), links }).transform(({ domain_records, links: given }) => ({
      items: domain_records.map(({ id, type, name, data }) => ({ id: String(id), type, name, value: data })),
      next: hasNext(given),
    })),
  },
  create: {
    request: (zone, { name, ttlS }, value) =>
      post(path`/domains/${zone.id}/records`, { type: "TXT", name: relativeName(name, zone), data: value, ttl: ttlS }),
    id: z
      .object({ domain_record: z.object({ id: z.number() }) })
      .transform(({ domain_record }) => String(domain_record.id)),
  },
  remove: (zone, _place, { id }) => remove(path`/domains/${zone.id}/records/${id}`),
  traits: { ttlMinS: 30, rateLimit: { requests: 250, perMs: 60_000 } },
});
