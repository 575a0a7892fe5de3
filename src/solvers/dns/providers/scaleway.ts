import { z } from "zod";
import { plainTxt, relativeName } from "../provider.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, patch, path } from "../rest/request.ts";

const failure = z.object({ message: z.string(), type: z.string().optional() });
const PAGE_SIZE = 100;
const zone = z.object({ domain: z.string(), subdomain: z.string(), ns: z.array(z.string()) });
const record = z.object({ id: z.string(), name: z.string(), type: z.string(), data: z.string() });

export const scaleway = defineRestProvider({
  type: "scaleway",
  description: "Scaleway Domains and DNS.",
  docs: "https://www.scaleway.com/en/developers/api/domains-and-dns/",
  base: "https://api.scaleway.com/domain/v2beta1",
  secrets: { key: "Secret key of an API key whose application has the policy DomainsDNSFullAccess." },
  auth: ({ key }) => ({ headers: { "x-auth-token": key } }),
  failure(body, status) {
    const { data } = status < 400 ? { data: undefined } : failure.safeParse(body);
    return data === undefined ? null : { text: data.message };
  },
  zones: {
    request: ({ number }) => get(path`/dns-zones?page_size=${PAGE_SIZE}&page=${number}`),
    read: z.object({ dns_zones: z.array(zone) }).transform(({ dns_zones }) => ({
      items: dns_zones.map(({ domain, subdomain, ns }) => {
        const name = subdomain === "" ? domain : `${subdomain}.${domain}`;
        return { id: name, name, nameServers: ns };
      }),
      next: dns_zones.length === PAGE_SIZE,
    })),
  },
  model: "record",
  list: {
    request: (within, name, { number }) => {
      const label = relativeName(name, within, "");
      return get(path`/dns-zones/${within.id}/records?type=TXT&name=${label}&page_size=${PAGE_SIZE}&page=${number}`);
    },
    read: z.object({ records: z.array(record) }).transform(({ records }) => ({
      items: records.map(({ id, name, type, data }) => ({ id, name, type, value: plainTxt(data) })),
      next: records.length === PAGE_SIZE,
    })),
  },
  create: {
    request: (within, { name, ttlS }, value) =>
      patch(path`/dns-zones/${within.id}/records`, {
        return_all_records: false,
        changes: [
          { add: { records: [{ name: relativeName(name, within, ""), type: "TXT", data: `"${value}"`, ttl: ttlS }] } },
        ],
      }),
    id: z
      .object({ records: z.array(z.object({ id: z.string() })).min(1) })
      .transform(({ records }) => records[0]?.id ?? null),
  },
  remove: (within, _place, { id }) =>
    patch(path`/dns-zones/${within.id}/records`, { return_all_records: false, changes: [{ delete: { id } }] }),
  traits: { ttlMinS: 60 },
});
