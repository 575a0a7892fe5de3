import { z } from "zod";
import { plainTxt, relativeName, type Zone } from "../provider.ts";
import { candidates, defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, path, post, remove } from "../rest/request.ts";

const failure = z.object({
  result: z.literal("error"),
  error: z.object({ code: z.string(), description: z.string().optional() }),
});
const products = z.object({ data: z.array(z.object({ id: z.number(), customer_name: z.string() })) });
const record = z.object({
  id: z.union([z.number(), z.string()]),
  source_idn: z.string(),
  type: z.string(),
  target: z.string(),
});

export const infomaniak = defineRestProvider({
  type: "infomaniak",
  description: "Infomaniak.",
  docs: "https://developer.infomaniak.com/docs/api",
  base: "https://api.infomaniak.com",
  secrets: { token: "API token with the scope `domain`." },
  auth: ({ token }) => ({ headers: { authorization: `Bearer ${token}` } }),
  failure(body) {
    const { data } = failure.safeParse(body);
    if (data === undefined) return null;
    const { code, description = code } = data.error;
    return { text: `${description} (${code})`, ...(code === "not_authorized" && { code: "dns.credentials" }) };
  },
  async zones(open, name, signal) {
    const api = await open(signal);
    const all: Zone[] = [];
    for (const candidate of candidates(name)) {
      const where = path`/1/product?service_name=domain&customer_name=${candidate}`;
      const { data } = await api.call(get(where), products, signal);
      all.push(
        ...data
          .filter(({ customer_name }) => customer_name.toLowerCase() === candidate)
          .map(({ id }) => ({ id: String(id), name: candidate })),
      );
    }
    return all;
  },
  model: "record",
  names: "full",
  list: {
    request: (zone, name) => get(path`/1/domain/${zone.id}/dns/record?search=${name}&filter[types][]=TXT`),
    read: z.object({ data: z.array(record) }).transform(({ data }) => ({
      items: data.map(({ id, source_idn, type, target }) => ({
        id: String(id),
        name: source_idn,
        type,
        value: plainTxt(target),
      })),
    })),
  },
  create: {
    request: (zone, { name, ttlS }, value) =>
      post(path`/1/domain/${zone.id}/dns/record`, {
        type: "TXT",
        source: relativeName(name, zone, "."),
        target: value,
        ttl: ttlS,
      }),
    id: z.object({ data: z.union([z.number(), z.string()]) }).transform(({ data }) => String(data)),
  },
  remove: (zone, _place, { id }) => remove(path`/1/domain/${zone.id}/dns/record/${id}`),
  traits: { ttlMinS: 300, rateLimit: { requests: 60, perMs: 60_000 } },
});
