import { z } from "zod";
import type { ErrorCode } from "../../../domain/errorTable.ts";
import { plainTxt, relativeName } from "../provider.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { post, type RestRequest } from "../rest/request.ts";

const answer = z.object({ code: z.number(), msg: z.string().optional(), reason: z.string().optional() });
/** EPP's numbers (RFC 5730 §3). */
const CODES: Readonly<Record<number, ErrorCode>> = {
  2200: "dns.credentials",
  2201: "dns.credentials",
  2202: "dns.credentials",
  2400: "dns.unreachable",
  2500: "dns.unreachable",
  2501: "dns.credentials",
  2502: "dns.rateLimited",
};
const GONE = 2303;
const PER_PAGE = 250;
const domain = z.object({ domain: z.string(), type: z.string() });
const record = z.object({
  id: z.union([z.number(), z.string()]),
  name: z.string(),
  type: z.string(),
  content: z.string(),
});
const call = (method: string, params: object): RestRequest => post("", { method, params });

export const inwx = defineRestProvider({
  type: "inwx",
  description: "INWX, through its JSON-RPC API; the account or sub-account must not need a second factor.",
  docs: "https://www.inwx.com/en/help/apidoc",
  base: "https://api.domrobot.com/jsonrpc/",
  secrets: { password: "Password of the account." },
  options: { user: z.string().min(1).max(255).describe("Name of the account or sub-account.") },
  auth: () => ({}),
  login: {
    request: ({ password }, { user }) => call("account.login", { user, pass: password }),
    read({ body, headers }) {
      const { data } = answer.safeParse(body);
      const cookies = headers.getSetCookie().map((cookie) => cookie.split(";", 1)[0]);
      return data?.code === 1000 && cookies.length > 0 ? { headers: { cookie: cookies.join("; ") } } : null;
    },
  },
  failure(body) {
    const { data } = answer.safeParse(body);
    if (data === undefined || data.code < 2000 || data.code === GONE) return null;
    const code = CODES[data.code] ?? "dns.refused";
    return { text: `${[data.msg, data.reason].filter(Boolean).join(": ")} (${data.code})`, code };
  },
  zones: {
    request: ({ number }) => call("nameserver.list", { pagelimit: PER_PAGE, page: number }),
    read: z.object({ resData: z.object({ domains: z.array(domain).default([]) }) }).transform(({ resData }) => ({
      items: resData.domains
        .filter(({ type }) => type === "MASTER")
        .map((one) => ({ id: one.domain, name: one.domain })),
      next: resData.domains.length === PER_PAGE,
    })),
  },
  model: "record",
  names: "full",
  list: {
    request: (zone, name) => call("nameserver.info", { domain: zone.id, type: "TXT", name }),
    read: z.object({ resData: z.object({ record: z.array(record).default([]) }) }).transform(({ resData }) => ({
      items: resData.record.map(({ id, name, type, content }) => ({
        id: String(id),
        name,
        type,
        value: plainTxt(content),
      })),
    })),
  },
  create: {
    request: (zone, { name, ttlS }, value) =>
      call("nameserver.createRecord", {
        domain: zone.id,
        type: "TXT",
        name: relativeName(name, zone, ""),
        content: value,
        ttl: ttlS,
      }),
    id: z
      .object({ resData: z.object({ id: z.union([z.number(), z.string()]) }) })
      .transform(({ resData }) => String(resData.id)),
  },
  remove: (_zone, _place, { id }) => call("nameserver.deleteRecord", { id: Number(id) }),
  traits: { ttlMinS: 300, propagationMaxMs: 360_000 },
});
