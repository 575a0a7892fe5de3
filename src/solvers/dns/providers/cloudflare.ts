import { z } from "zod";
import { plainTxt } from "../provider.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, path, post, remove } from "../rest/request.ts";

const failure = z.object({ errors: z.array(z.object({ code: z.number(), message: z.string() })).min(1) });
/** Sent with 400 or 403: "Invalid request headers", "Authentication error" and their kin. */
const CREDENTIAL_CODES = new Set([6003, 6111, 9106, 9107, 9109, 10000]);
const listed = z.object({ id: z.string(), name: z.string(), content: z.string() });
const pageInfo = z.object({ page: z.number(), total_pages: z.number() });
const hasNext = (info: z.infer<typeof pageInfo>): boolean => info.page < info.total_pages;
/** https://developers.cloudflare.com/api/resources/user/subresources/tokens/methods/verify/ */
const verified = z.object({
  result: z.object({ status: z.string(), expires_on: z.iso.datetime({ offset: true }).nullish() }),
});
const rights = z.object({ result: z.object({ permissions: z.array(z.string()).default([]) }) });

export const cloudflare = defineRestProvider({
  type: "cloudflare",
  description: "Cloudflare.",
  docs: "https://developers.cloudflare.com/api/resources/dns/subresources/records/",
  base: "https://api.cloudflare.com/client/v4",
  secrets: { token: "API token with Zone › Zone › Read and Zone › DNS › Edit for the zones." },
  auth: ({ token }) => ({ headers: { authorization: `Bearer ${token}` } }),
  failure(body) {
    const { data } = failure.safeParse(body);
    if (data === undefined) return null;
    const text = data.errors.map(({ code, message }) => `${message} (${code})`).join("; ");
    const isCredential = data.errors.some(({ code }) => CREDENTIAL_CODES.has(code));
    return { text, ...(isCredential && { code: "dns.credentials" }) };
  },
  zones: {
    request: ({ number }) => get(path`/zones?status=active&per_page=50&page=${number}`),
    read: z
      .object({
        result: z.array(z.object({ id: z.string(), name: z.string(), name_servers: z.array(z.string()).nullish() })),
        result_info: pageInfo,
      })
      .transform(({ result, result_info }) => ({
        items: result.map(({ id, name, name_servers }) => ({
          id,
          name,
          ...(name_servers && { nameServers: name_servers }),
        })),
        next: hasNext(result_info),
      })),
  },
  records: {
    names: "full",
    request: (zone, { number }) => get(path`/zones/${zone.id}/dns_records?per_page=100&page=${number}`),
    read: z
      .object({ result: z.array(z.object({ name: z.string(), type: z.string() })), result_info: pageInfo })
      .transform(({ result, result_info }) => ({ items: result, next: hasNext(result_info) })),
  },
  model: "record",
  names: "full",
  list: {
    request: (zone, name, { number }) =>
      get(path`/zones/${zone.id}/dns_records?type=TXT&name=${name}&per_page=100&page=${number}`),
    read: z.object({ result: z.array(listed), result_info: pageInfo }).transform(({ result, result_info }) => ({
      items: result.map(({ id, name, content }) => ({ id, name, value: plainTxt(content) })),
      next: hasNext(result_info),
    })),
  },
  create: {
    request: (zone, { name, ttlS }, value) =>
      post(path`/zones/${zone.id}/dns_records`, { type: "TXT", name, content: `"${value}"`, ttl: ttlS }),
    id: z.object({ result: z.object({ id: z.string() }) }).transform(({ result }) => result.id),
  },
  remove: (zone, _place, { id }) => remove(path`/zones/${zone.id}/dns_records/${id}`),
  async missingRights(api, zone, signal) {
    if (zone === null) return [];
    const { result } = await api.call(get(path`/zones/${zone.id}`), rights, signal);
    // Not every kind of token is shown its rights: no list says nothing.
    const mayEdit = result.permissions.length === 0 || result.permissions.includes("#dns_records:edit");
    return mayEdit ? [] : [`The token lacks Zone › DNS › Edit for ${zone.name}.`];
  },
  async credentials(api, signal) {
    const { result } = await api.call(get(path`/user/tokens/verify`), verified, signal);
    const ends = result.expires_on == null ? null : Date.parse(result.expires_on);
    return [{ what: "API token", ends, begins: null, note: `Cloudflare says: ${result.status}` }];
  },
  // A free zone takes no less than 60 (1 means "automatic").
  traits: { ttlMinS: 60, propagationMaxMs: 120_000, rateLimit: { requests: 1_200, perMs: 300_000 } },
});
