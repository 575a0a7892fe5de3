import { createHash, createHmac, randomUUID } from "node:crypto";
import { z } from "zod";
import { plainTxt } from "../provider.ts";
import type { ToSign } from "../rest/api.ts";
import { defineRestProvider } from "../rest/defineRestProvider.ts";
import { get, path, post, put, remove } from "../rest/request.ts";

const failure = z.object({ title: z.string(), detail: z.string().optional(), status: z.number().optional() });
/** Of a body, this much is signed. */
const SIGNED_BODY_BYTES_MAX = 131_072;

/** Signed here by EdgeGrid's published scheme: the vendor's own package sends and logs for the whole process. */
export const akamai = defineRestProvider({
  type: "akamai",
  description: "Akamai Edge DNS.",
  docs: "https://techdocs.akamai.com/edge-dns/reference/api",
  base: null,
  secrets: {
    clientToken: "Client token of an API client with read-write access to DNS—Zone Record Management.",
    clientSecret: "Its client secret.",
    accessToken: "Its access token.",
  },
  auth: (credentials) => ({ sign: (request) => ({ authorization: edgeGrid(credentials, request) }) }),
  failure(body, status) {
    const { data } = status < 400 ? { data: undefined } : failure.safeParse(body);
    return data === undefined ? null : { text: [data.title, data.detail].filter(Boolean).join(": ") };
  },
  zones: {
    request: () => get("/config-dns/v2/zones?types=PRIMARY&showAll=true"),
    read: z.object({ zones: z.array(z.object({ zone: z.string() })) }).transform(({ zones }) => ({
      items: zones.map(({ zone }) => ({ id: zone, name: zone })),
    })),
  },
  model: "rrset",
  read: {
    request: (zone, name) => get(path`/config-dns/v2/zones/${zone.id}/names/${name}/types/TXT`),
    read: z
      .object({ ttl: z.number(), rdata: z.array(z.string()) })
      .transform(({ ttl, rdata }) => ({ values: rdata.map(plainTxt), ttlS: ttl })),
  },
  replace(zone, { name, ttlS }, { before, values }) {
    const where = path`/config-dns/v2/zones/${zone.id}/names/${name}/types/TXT`;
    const body = { name, type: "TXT", ttl: ttlS, rdata: values.map((value) => `"${value}"`) };
    if (values.length === 0) return remove(where);
    return before.values.length === 0 ? post(where, body) : put(where, body);
  },
  traits: { ttlMinS: 30, propagationMaxMs: 600_000 },
});

/** https://techdocs.akamai.com/developer/docs/authenticate-with-edgegrid */
function edgeGrid(
  { clientToken, clientSecret, accessToken }: Readonly<Record<"clientToken" | "clientSecret" | "accessToken", string>>,
  { method, url, body, now }: ToSign,
): string {
  const timestamp = `${new Date(now).toISOString().slice(0, 19).replaceAll("-", "")}+0000`;
  const header =
    `EG1-HMAC-SHA256 client_token=${clientToken};access_token=${accessToken};` +
    `timestamp=${timestamp};nonce=${randomUUID()};`;
  // Only bodies of POST are signed.
  const signed = Buffer.from(method === "POST" ? body : "").subarray(0, SIGNED_BODY_BYTES_MAX);
  const hash = signed.length === 0 ? "" : createHash("sha256").update(signed).digest("base64");
  const where = [url.protocol.replace(":", ""), url.host, url.pathname + url.search];
  const text = [method, ...where, "", hash, header].join("\t");
  const key = createHmac("sha256", clientSecret).update(timestamp).digest("base64");
  return `${header}signature=${createHmac("sha256", key).update(text).digest("base64")}`;
}
