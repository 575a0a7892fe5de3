import { z } from "zod";
import { plainTxt, relativeName } from "../provider.ts";
import type { PageAt } from "../rest/api.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, path, post, remove } from "../rest/request.ts";

const failure = z.object({ error: z.string() });
const meta = z.object({ links: z.object({ next: z.string() }) });
const cursor = ({ mark }: PageAt): string => path`per_page=500&cursor=${mark ?? ""}`;
const record = z.object({ id: z.string(), type: z.string(), name: z.string(), data: z.string() });

export const vultr = defineRestProvider({
  type: "vultr",
  description: "Vultr.",
  docs: "https://www.vultr.com/api/#tag/dns",
  base: "https://api.vultr.com/v2",
  secrets: { token: "API key; its access control list must have the address of the ACME worker." },
  auth: ({ token }) => ({ headers: { authorization: `Bearer ${token}` } }),
  failure(body) {
    const { data } = failure.safeParse(body);
    return data === undefined ? null : { text: data.error };
  },
  zones: {
    request: (page) => get(`/domains?${cursor(page)}`),
    read: z.object({ domains: z.array(z.object({ domain: z.string() })), meta }).transform((body) => ({
      items: body.domains.map(({ domain }) => ({ id: domain, name: domain })),
      next: body.meta.links.next,
    })),
  },
  model: "record",
  list: {
    request: (zone, _name, page) => get(`${path`/domains/${zone.id}/records`}?${cursor(page)}`),
    read: z.object({ records: z.array(record), meta }).transform((body) => ({
      items: body.records.map(({ id, type, name, data }) => ({ id, type, name, value: plainTxt(data) })),
      next: body.meta.links.next,
    })),
  },
  create: {
    request: (zone, { name, ttlS }, value) =>
      post(path`/domains/${zone.id}/records`, {
        type: "TXT",
        name: relativeName(name, zone, ""),
        data: `"${value}"`,
        ttl: ttlS,
      }),
    id: z.object({ record: z.object({ id: z.string() }) }).transform((body) => body.record.id),
  },
  remove: (zone, _place, { id }) => remove(path`/domains/${zone.id}/records/${id}`),
  traits: { ttlMinS: 120, rateLimit: { requests: 30, perMs: 1_000 } },
});
