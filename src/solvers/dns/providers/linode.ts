import { z } from "zod";
import { relativeName } from "../provider.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, path, post, remove } from "../rest/request.ts";

const failure = z.object({ errors: z.array(z.object({ reason: z.string(), field: z.string().optional() })).min(1) });
const paged = { page: z.number(), pages: z.number() };
const domain = z.object({ id: z.number(), domain: z.string(), type: z.string() });
const record = z.object({ id: z.number(), type: z.string(), name: z.string(), target: z.string() });

export const linode = defineRestProvider({
  type: "linode",
  description: "Linode (Akamai Cloud) DNS Manager.",
  docs: "https://techdocs.akamai.com/linode-api/reference/get-domain-records",
  base: "https://api.linode.com/v4",
  secrets: { token: "Personal access token with Domains: Read/Write." },
  auth: ({ token }) => ({ headers: { authorization: `Bearer ${token}` } }),
  failure(body) {
    const { data } = failure.safeParse(body);
    if (data === undefined) return null;
    return { text: data.errors.map(({ reason, field }) => (field ? `${field}: ${reason}` : reason)).join("; ") };
  },
  zones: {
    request: ({ number }) => get(path`/domains?page_size=500&page=${number}`),
    read: z.object({ data: z.array(domain), ...paged }).transform(({ data, page, pages }) => ({
      items: data.filter(({ type }) => type === "master").map((one) => ({ id: String(one.id), name: one.domain })),
      next: page < pages,
    })),
  },
  model: "record",
  list: {
    request: (zone, _name, { number }) => get(path`/domains/${zone.id}/records?page_size=500&page=${number}`),
    read: z.object({ data: z.array(record), ...paged }).transform(({ data, page, pages }) => ({
      items: data.map(({ id, type, name, target }) => ({ id: String(id), type, name, value: target })),
      next: page < pages,
    })),
  },
  create: {
    request: (zone, { name, ttlS }, value) =>
      post(path`/domains/${zone.id}/records`, {
        type: "TXT",
        name: relativeName(name, zone, ""),
        target: value,
        ttl_sec: ttlS,
      }),
    id: z.object({ id: z.number() }).transform(({ id }) => String(id)),
  },
  remove: (zone, _place, { id }) => remove(path`/domains/${zone.id}/records/${id}`),
  // Its name servers take changes every few minutes.
  traits: { ttlMinS: 300, propagationMaxMs: 1_800_000, propagationEveryMs: 15_000 },
});
