import { z } from "zod";
import { RenewalError } from "../../../domain/errors.ts";
import type { ErrorCode } from "../../../domain/errorTable.ts";
import { relativeName } from "../provider.ts";
import { candidates, defineRestProvider } from "../rest/defineRestProvider.ts";
import { post, type RestRequest } from "../rest/request.ts";

const answer = z.object({
  status: z.string(),
  statuscode: z.number(),
  shortmessage: z.string(),
  longmessage: z.string().optional(),
});
const session = z.object({ status: z.literal("success"), responsedata: z.object({ apisessionid: z.string() }) });
const CODES: Readonly<Record<number, ErrorCode>> = {
  4001: "dns.unreachable",
  4011: "dns.credentials",
  4013: "dns.credentials",
  2011: "dns.credentials",
};
const record = z.object({
  id: z.string(),
  hostname: z.string(),
  type: z.string(),
  destination: z.string(),
});
const call = (action: string, param: object): RestRequest => post("", { action, param });
const known = z.object({ responsedata: z.object({ name: z.string() }) });
const body = z.object({ action: z.string(), param: z.looseObject({}) });

/** Only what is listed in a change is changed: the API takes single records, though it calls them a set. */
export const netcup = defineRestProvider({
  type: "netcup",
  description: "netcup, through the CCP API.",
  docs: "https://ccp.netcup.net/run/webservice/servers/endpoint.php",
  base: "https://ccp.netcup.net/run/webservice/servers/endpoint.php?JSON",
  secrets: { key: "API key.", password: "API password." },
  options: { customer: z.int().min(1).describe("Customer number.") },
  auth: () => ({}),
  login: {
    request: ({ key, password }, { customer }) =>
      call("login", { customernumber: String(customer), apikey: key, apipassword: password }),
    read({ body: given }, { key }, { customer }) {
      const { data } = session.safeParse(given);
      if (data === undefined) return null;
      const { apisessionid } = data.responsedata;
      return {
        wrap(request) {
          const { action, param } = body.parse(request);
          return { action, param: { ...param, customernumber: String(customer), apikey: key, apisessionid } };
        },
      };
    },
  },
  failure(given) {
    const { data } = answer.safeParse(given);
    if (data === undefined || data.status === "success") return null;
    const code = CODES[data.statuscode] ?? "dns.refused";
    return { text: `${data.longmessage || data.shortmessage} (${data.statuscode})`, code };
  },
  // There is no list for those who are no resellers: the zone is the first of the names above that exists.
  async zones(open, name, signal) {
    const api = await open(signal);
    for (const domainname of candidates(name).reverse()) {
      try {
        const { responsedata } = await api.call(call("infoDnsZone", { domainname }), known, signal);
        return [{ id: responsedata.name, name: responsedata.name }];
      } catch (error) {
        if (!(error instanceof RenewalError) || error.code !== "dns.refused") throw error;
      }
    }
    return [];
  },
  model: "record",
  list: {
    request: (zone) => call("infoDnsRecords", { domainname: zone.id }),
    read: z.object({ responsedata: z.object({ dnsrecords: z.array(record) }) }).transform(({ responsedata }) => ({
      items: responsedata.dnsrecords.map(({ id, hostname, type, destination }) => ({
        id,
        name: hostname,
        type,
        value: destination,
      })),
    })),
  },
  create: {
    request: (zone, { name }, value) =>
      call("updateDnsRecords", {
        domainname: zone.id,
        dnsrecordset: { dnsrecords: [{ hostname: relativeName(name, zone), type: "TXT", destination: value }] },
      }),
    // The answer lists the zone's records, and does not say which one is new.
    id: z.object({ status: z.literal("success") }).transform(() => null),
  },
  remove: (zone, { name }, { id, value }) =>
    call("updateDnsRecords", {
      domainname: zone.id,
      dnsrecordset: {
        dnsrecords: [{ id, hostname: relativeName(name, zone), type: "TXT", destination: value, deleterecord: true }],
      },
    }),
  // TTLs are the zone's. Its servers take changes every few minutes, often only after twenty.
  traits: { sequential: true, propagationMaxMs: 3_600_000, propagationEveryMs: 30_000 },
});
