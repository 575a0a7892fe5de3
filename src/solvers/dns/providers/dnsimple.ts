import { z } from "zod";
import { plainTxt, relativeName, type Zone } from "../provider.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, path, post, remove } from "../rest/request.ts";

const failure = z.object({ message: z.string(), errors: z.record(z.string(), z.array(z.string())).optional() });
const accounts = z.object({ data: z.array(z.object({ id: z.number() })) });
const pagination = z.object({ current_page: z.number(), total_pages: z.number() });
const hasNext = (given: z.infer<typeof pagination>): boolean => given.current_page < given.total_pages;
const zones = z
  .object({ data: z.array(z.object({ name: z.string() })), pagination })
  .transform((body) => ({ items: body.data, next: hasNext(body.pagination) }));
const record = z.object({ id: z.number(), name: z.string(), type: z.string(), content: z.string() });

/** A zone's id holds its account, as every address needs both. */
function within(zone: Zone): string {
  const [account = "", name = ""] = zone.id.split("/");
  return path`/v2/${account}/zones/${name}/records`;
}

export const dnsimple = defineRestProvider({
  type: "dnsimple",
  description: "DNSimple.",
  docs: "https://developer.dnsimple.com/v2/zones/records/",
  base: "https://api.dnsimple.com",
  secrets: { token: "API access token of the account, or of a user." },
  auth: ({ token }) => ({ headers: { authorization: `Bearer ${token}` } }),
  failure(body) {
    const { data } = failure.safeParse(body);
    if (data === undefined) return null;
    const fields = Object.entries(data.errors ?? {}).map(([name, texts]) => `${name} ${texts.join(", ")}`);
    return { text: [data.message, ...fields].join("; ") };
  },
  listsAllZones: true,
  async zones(open, _name, signal) {
    const api = await open(signal);
    const { data } = await api.call(get("/v2/accounts"), accounts, signal);
    const all: Zone[] = [];
    for (const { id } of data) {
      const found = await api.pages(
        ({ number }) => get(path`/v2/${id}/zones?per_page=100&page=${number}`),
        zones,
        signal,
      );
      all.push(...found.map(({ name }) => ({ id: `${id}/${name}`, name })));
    }
    return all;
  },
  model: "record",
  list: {
    request: (zone, name, { number }) =>
      get(`${within(zone)}${path`?type=TXT&name=${relativeName(name, zone, "")}&per_page=100&page=${number}`}`),
    read: z.object({ data: z.array(record), pagination }).transform((body) => ({
      items: body.data.map(({ id, name, type, content }) => ({ id: String(id), name, type, value: plainTxt(content) })),
      next: hasNext(body.pagination),
    })),
  },
  create: {
    request: (zone, { name, ttlS }, value) =>
      post(within(zone), { name: relativeName(name, zone, ""), type: "TXT", content: value, ttl: ttlS }),
    id: z.object({ data: z.object({ id: z.number() }) }).transform(({ data }) => String(data.id)),
  },
  remove: (zone, _place, { id }) => remove(`${within(zone)}${path`/${id}`}`),
  traits: { ttlMinS: 60, rateLimit: { requests: 2_400, perMs: 3_600_000 } },
});
