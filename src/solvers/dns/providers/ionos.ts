import { z } from "zod";
import { plainTxt } from "../provider.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, path, post, remove } from "../rest/request.ts";

const failure = z.array(z.object({ code: z.string(), message: z.string().optional() })).min(1);
const record = z.object({ id: z.string(), name: z.string(), type: z.string(), content: z.string() });

export const ionos = defineRestProvider({
  type: "ionos",
  description: "IONOS (1&1) hosting.",
  docs: "https://developer.hosting.ionos.com/docs/dns",
  base: "https://api.hosting.ionos.com/dns",
  secrets: { key: "API key as prefix and secret with a dot between them." },
  auth: ({ key }) => ({ headers: { "x-api-key": key } }),
  failure(body) {
    const { data } = failure.safeParse(body);
    return data === undefined ? null : { text: data.map(({ code, message }) => message ?? code).join("; ") };
  },
  zones: {
    request: () => get("/v1/zones"),
    read: z.array(z.object({ id: z.string(), name: z.string(), type: z.string() })).transform((zones) => ({
      items: zones.filter(({ type }) => type === "NATIVE").map(({ id, name }) => ({ id, name })),
    })),
  },
  model: "record",
  names: "full",
  list: {
    request: (zone, name) => get(path`/v1/zones/${zone.id}?recordName=${name}&recordType=TXT`),
    read: z.object({ records: z.array(record) }).transform(({ records }) => ({
      items: records.map(({ id, name, type, content }) => ({ id, name, type, value: plainTxt(content) })),
    })),
  },
  create: {
    request: (zone, { name, ttlS }, value) =>
      post(path`/v1/zones/${zone.id}/records`, [{ name, type: "TXT", content: value, ttl: ttlS }]),
    id: z
      .array(z.object({ id: z.string() }))
      .min(1)
      .transform(([created]) => created?.id ?? null),
  },
  remove: (zone, _place, { id }) => remove(path`/v1/zones/${zone.id}/records/${id}`),
  traits: { ttlMinS: 60, propagationMaxMs: 900_000 },
});
