import { createHash } from "node:crypto";
import { z } from "zod";
import type { ErrorCode } from "../../../domain/errorTable.ts";
import { plainTxt, type RecordModel, relativeName, type TxtRecord } from "../provider.ts";
import { defineRestProvider, type OpenApi } from "../rest/defineRestProvider.ts";
import { get, path, post, remove } from "../rest/request.ts";

const failure = z.object({ message: z.string(), errorCode: z.string().optional() });
const CODES: Readonly<Record<string, ErrorCode>> = {
  INVALID_CREDENTIAL: "dns.credentials",
  INVALID_KEY: "dns.credentials",
  INVALID_SIGNATURE: "dns.credentials",
  NOT_CREDENTIAL: "dns.credentials",
  NOT_GRANTED_CALL: "dns.credentials",
  FORBIDDEN: "dns.credentials",
  QUOTA_EXCEEDED: "dns.rateLimited",
};
const record = z.object({ id: z.number(), target: z.string() });

/**
 * Signed here: the vendor's own package can neither be cancelled nor bounds an answer, and the signature is one line.
 */
export const ovh = defineRestProvider({
  type: "ovh",
  description: "OVHcloud.",
  docs: "https://eu.api.ovh.com/console/?section=%2Fdomain",
  base: "https://eu.api.ovh.com/v1",
  secrets: {
    applicationKey: "Application key.",
    applicationSecret: "Application secret.",
    consumerKey: "Consumer key with GET, POST and DELETE on /domain/zone/*, and GET on /domain/zone.",
  },
  auth: ({ applicationKey, applicationSecret, consumerKey }) => ({
    headers: { "x-ovh-application": applicationKey, "x-ovh-consumer": consumerKey },
    sign({ method, url, body, now }) {
      const seconds = String(Math.floor(now / 1000));
      const text = [applicationSecret, consumerKey, method, url.href, body, seconds].join("+");
      const signature = `$1$${createHash("sha1").update(text).digest("hex")}`;
      return { "x-ovh-timestamp": seconds, "x-ovh-signature": signature };
    },
  }),
  failure(body) {
    const { data } = failure.safeParse(body);
    if (data === undefined) return null;
    const code = CODES[data.errorCode ?? ""];
    const number = data.errorCode === undefined ? "" : ` (${data.errorCode})`;
    return { text: data.message + number, ...(code !== undefined && { code }) };
  },
  zones: {
    request: () => get("/domain/zone"),
    read: z.array(z.string()).transform((names) => ({ items: names.map((name) => ({ id: name, name })) })),
  },
  model: "own",
  txt: records,
  traits: { ttlMinS: 60, propagationMaxMs: 900_000 },
});

/** A list has ids only, and nothing is served before the zone is refreshed. */
function records(open: OpenApi): RecordModel {
  return {
    model: "record",
    async list(zone, name, signal) {
      const api = await open(signal);
      const label = relativeName(name, zone, "");
      const where = path`/domain/zone/${zone.id}/record?fieldType=TXT&subDomain=${label}`;
      const ids = await api.call(get(where), z.array(z.number()).max(200), signal);
      const found: TxtRecord[] = [];
      for (const id of ids) {
        const one = await api.find(get(path`/domain/zone/${zone.id}/record/${id}`), record, signal);
        if (one !== null) found.push({ id: String(one.id), value: plainTxt(one.target) });
      }
      return found;
    },
    async create(zone, { name, ttlS }, value, signal) {
      const api = await open(signal);
      const body = { fieldType: "TXT", subDomain: relativeName(name, zone, ""), target: `"${value}"`, ttl: ttlS };
      const { id } = await api.call(post(path`/domain/zone/${zone.id}/record`, body), record, signal);
      await api.send(post(path`/domain/zone/${zone.id}/refresh`, undefined), signal);
      return String(id);
    },
    async remove(zone, _place, { id }, signal) {
      const api = await open(signal);
      await api.send(remove(path`/domain/zone/${zone.id}/record/${id ?? ""}`), signal, true);
      await api.send(post(path`/domain/zone/${zone.id}/refresh`, undefined), signal);
    },
  };
}
