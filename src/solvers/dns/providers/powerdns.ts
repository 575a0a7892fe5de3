import { z } from "zod";
import { plainTxt } from "../provider.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, patch, path } from "../rest/request.ts";

const failure = z.object({ error: z.string(), errors: z.array(z.string()).optional() });
const rrset = z.object({
  name: z.string(),
  type: z.string(),
  ttl: z.number(),
  records: z.array(z.object({ content: z.string() })),
});

export const powerdns = defineRestProvider({
  type: "powerdns",
  description: "Your own PowerDNS authoritative server, through its HTTP API.",
  docs: "https://doc.powerdns.com/authoritative/http-api/zone.html",
  base: null,
  secrets: { key: "The server's `api-key`." },
  auth: ({ key }) => ({ headers: { "x-api-key": key } }),
  failure(body) {
    const { data } = failure.safeParse(body);
    return data === undefined ? null : { text: [data.error, ...(data.errors ?? [])].join("; ") };
  },
  zones: {
    request: () => get("/api/v1/servers/localhost/zones"),
    read: z.array(z.object({ id: z.string(), name: z.string(), kind: z.string().optional() })).transform((zones) => ({
      // A secondary copies its zone from elsewhere.
      items: zones.filter(({ kind }) => kind !== "Slave" && kind !== "Consumer").map(({ id, name }) => ({ id, name })),
    })),
  },
  records: {
    names: "full",
    request: (zone) => get(path`/api/v1/servers/localhost/zones/${zone.id}`),
    read: z
      .object({ rrsets: z.array(z.object({ name: z.string(), type: z.string() })) })
      .transform(({ rrsets }) => ({ items: rrsets })),
  },
  model: "rrset",
  read: {
    request: (zone, name) =>
      get(path`/api/v1/servers/localhost/zones/${zone.id}?rrset_name=${`${name}.`}&rrset_type=TXT`),
    // Older servers ignore the filter's name when the type is given, and show comments: only what is asked for counts.
    read: z.object({ rrsets: z.array(rrset) }).transform(({ rrsets }) => {
      const found = rrsets.find(({ type }) => type === "TXT");
      return found === undefined
        ? { values: [], ttlS: null }
        : { values: found.records.map(({ content }) => plainTxt(content)), ttlS: found.ttl };
    }),
  },
  replace(zone, { name, ttlS }, { values }) {
    const records = values.map((value) => ({ content: `"${value}"`, disabled: false }));
    const set = { name: `${name}.`, type: "TXT" };
    const change =
      values.length === 0 ? { ...set, changetype: "DELETE" } : { ...set, changetype: "REPLACE", ttl: ttlS, records };
    return patch(path`/api/v1/servers/localhost/zones/${zone.id}`, { rrsets: [change] });
  },
});
