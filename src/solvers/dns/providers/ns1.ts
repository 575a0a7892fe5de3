import { z } from "zod";
import { plainTxt } from "../provider.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, path, post, put, remove } from "../rest/request.ts";

const failure = z.object({ message: z.string() });
const zone = z.object({
  zone: z.string(),
  dns_servers: z.array(z.string()).nullish(),
  secondary: z.object({ enabled: z.boolean() }).optional(),
});

export const ns1 = defineRestProvider({
  type: "ns1",
  description: "IBM NS1 Connect.",
  docs: "https://developer.ibm.com/apis/catalog/ns1--ibm-ns1-connect-api/",
  base: "https://api.nsone.net/v1",
  secrets: { key: "API key with “View zones” and “Manage zones” for the zone." },
  auth: ({ key }) => ({ headers: { "x-nsone-key": key } }),
  failure(body, status) {
    const { data } = status < 400 ? { data: undefined } : failure.safeParse(body);
    return data === undefined ? null : { text: data.message };
  },
  zones: {
    request: () => get("/zones"),
    read: z.array(zone).transform((zones) => ({
      items: zones
        .filter(({ secondary }) => secondary?.enabled !== true)
        .map((one) => ({ id: one.zone, name: one.zone, ...(one.dns_servers && { nameServers: one.dns_servers }) })),
    })),
  },
  model: "rrset",
  read: {
    request: (within, name) => get(path`/zones/${within.id}/${name}/TXT`),
    read: z
      .object({ answers: z.array(z.object({ answer: z.array(z.string()) })), ttl: z.number() })
      .transform(({ answers, ttl }) => ({ values: answers.map(({ answer }) => plainTxt(answer.join(""))), ttlS: ttl })),
  },
  replace(within, { name, ttlS }, { before, values }) {
    const where = path`/zones/${within.id}/${name}/TXT`;
    const body = {
      zone: within.name,
      domain: name,
      type: "TXT",
      ttl: ttlS,
      answers: values.map((value) => ({ answer: [value] })),
    };
    if (values.length === 0) return remove(where);
    // PUT creates, POST changes.
    return before.values.length === 0 ? put(where, body) : post(where, body);
  },
  traits: { rateLimit: { requests: 30, perMs: 10_000 } },
});
