import { z } from "zod";
import { plainTxt, relativeName } from "../provider.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, path, put, remove } from "../rest/request.ts";

const failure = z.object({ code: z.string(), message: z.string() });
const PER_PAGE = 1_000;

export const godaddy = defineRestProvider({
  type: "godaddy",
  description: "GoDaddy; its API is open to accounts with ten domains or more.",
  docs: "https://developer.godaddy.com/doc/endpoint/domains",
  base: "https://api.godaddy.com",
  secrets: { key: "Production API key.", secretKey: "Its secret." },
  auth: ({ key, secretKey }) => ({ headers: { authorization: `sso-key ${key}:${secretKey}` } }),
  failure(body) {
    const { data } = failure.safeParse(body);
    if (data === undefined) return null;
    return {
      text: `${data.message} (${data.code})`,
      ...(data.code === "ACCESS_DENIED" && { code: "dns.credentials" }),
    };
  },
  zones: {
    request: ({ mark }) =>
      get(path`/v1/domains?statuses=ACTIVE&limit=${PER_PAGE}` + (mark === null ? "" : path`&marker=${mark}`)),
    read: z
      .array(z.object({ domain: z.string(), nameServers: z.array(z.string()).nullish() }))
      .transform((domains) => ({
        items: domains.map(({ domain }) => ({ id: domain, name: domain })),
        next: domains.length === PER_PAGE ? (domains.at(-1)?.domain ?? null) : null,
      })),
  },
  model: "rrset",
  read: {
    request: (zone, name) => get(path`/v1/domains/${zone.id}/records/TXT/${relativeName(name, zone)}`),
    read: z.array(z.object({ data: z.string(), ttl: z.number() })).transform((records) => ({
      values: records.map(({ data }) => plainTxt(data)),
      ttlS: records[0]?.ttl ?? null,
    })),
  },
  replace(zone, { name, ttlS }, { values }) {
    const where = path`/v1/domains/${zone.id}/records/TXT/${relativeName(name, zone)}`;
    return values.length === 0
      ? remove(where)
      : put(
          where,
          values.map((data) => ({ data, ttl: ttlS })),
        );
  },
  traits: { ttlMinS: 600, rateLimit: { requests: 60, perMs: 60_000 } },
});
