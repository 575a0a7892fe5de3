import { z } from "zod";
import { plainTxt, relativeName } from "../provider.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { path, post } from "../rest/request.ts";

/** Every answer has a status; errors come with HTTP 200, 400 or 403. */
const failure = z.object({ status: z.literal("ERROR"), message: z.string() });
const PER_PAGE = 1_000;
const record = z.object({ id: z.string(), name: z.string(), type: z.string(), content: z.string() });

export const porkbun = defineRestProvider({
  type: "porkbun",
  description: "Porkbun.",
  docs: "https://porkbun.com/api/json/v3/documentation",
  base: "https://api.porkbun.com/api/json/v3",
  secrets: {
    key: "API key. API access must be switched on for each domain.",
    secretKey: "Secret API key.",
  },
  auth: ({ key, secretKey }) => ({
    wrap: (body) => ({ ...z.looseObject({}).parse(body), apikey: key, secretapikey: secretKey }),
  }),
  failure(body) {
    const { data } = failure.safeParse(body);
    if (data === undefined) return null;
    return { text: data.message, ...(/api key/i.test(data.message) && { code: "dns.credentials" }) };
  },
  zones: {
    request: ({ number }) => post("/domain/listAll", { start: String((number - 1) * PER_PAGE) }),
    read: z.object({ domains: z.array(z.object({ domain: z.string() })) }).transform(({ domains }) => ({
      items: domains.map(({ domain }) => ({ id: domain, name: domain })),
      next: domains.length === PER_PAGE,
    })),
  },
  model: "record",
  names: "full",
  list: {
    request: (zone, name) => post(path`/dns/retrieveByNameType/${zone.id}/TXT/${relativeName(name, zone, "")}`, {}),
    read: z.object({ records: z.array(record) }).transform(({ records }) => ({
      items: records.map(({ id, name, type, content }) => ({ id, name, type, value: plainTxt(content) })),
    })),
  },
  create: {
    request: (zone, { name, ttlS }, value) =>
      post(path`/dns/create/${zone.id}`, {
        name: relativeName(name, zone, ""),
        type: "TXT",
        content: value,
        ttl: String(ttlS),
      }),
    id: z.object({ id: z.union([z.string(), z.number()]) }).transform(({ id }) => String(id)),
  },
  remove: (zone, _place, { id }) => post(path`/dns/delete/${zone.id}/${id}`, {}),
  traits: { ttlMinS: 600, rateLimit: { requests: 1, perMs: 1_000 } },
});
