import { z } from "zod";
import { RenewalError } from "../../../domain/errors.ts";
import type { ErrorCode } from "../../../domain/errorTable.ts";
import type { WholeZoneModel, Zone, ZoneRow } from "../provider.ts";
import { relativeName } from "../provider.ts";
import { defineRestProvider, type OpenApi } from "../rest/defineRestProvider.ts";
import { get, path, type RestRequest } from "../rest/request.ts";
import { elements, textOf } from "../rest/xml.ts";

const PER_PAGE = 100;
const CODES: Readonly<Record<string, ErrorCode>> = {
  "1010101": "dns.credentials",
  "1010102": "dns.credentials",
  "1010104": "dns.credentials",
  "1010105": "dns.credentials",
  "1011102": "dns.credentials",
  "1011103": "dns.credentials",
  "1011104": "dns.credentials",
  "1011150": "dns.credentials",
  "500000": "dns.rateLimited",
  "5050900": "dns.unreachable",
};
const IP_ADVICE =
  "; the address that the ACME worker has on the Internet must be on the account's list and in `clientIp`";

/** The whole zone is written at each change, so what it does not show (such as forwarding of mail) is written back. */
export const namecheap = defineRestProvider({
  type: "namecheap",
  description: "Namecheap; the worker's address must be on the account's list.",
  docs: "https://www.namecheap.com/support/api/methods/domains-dns/set-hosts/",
  base: "https://api.namecheap.com/xml.response",
  answers: "text",
  secrets: { key: "API key." },
  options: {
    user: z.string().min(1).max(64).describe("Name of the account."),
    clientIp: z.ipv4().describe("IPv4 address of the ACME worker, as the account's list has it."),
  },
  auth: ({ key }, { user, clientIp }) => ({
    query: { ApiUser: String(user), ApiKey: key, UserName: String(user), ClientIp: String(clientIp) },
  }),
  failure(body) {
    const [error] = elements(String(body), "Error");
    if (error === undefined) return null;
    const number = error.attributes.Number ?? "";
    const code = CODES[number] ?? "dns.refused";
    const advice = number === "1011150" ? IP_ADVICE : "";
    return { text: `${textOf(error)} (${number})${advice}`, code };
  },
  zones: {
    request: ({ number }) => get(path`?Command=namecheap.domains.getList&PageSize=${PER_PAGE}&Page=${number}`),
    read: z.string().transform((xml) => {
      const all = elements(xml, "Domain");
      const ours = all.filter(({ attributes }) => attributes.IsOurDNS === "true" && attributes.IsExpired !== "true");
      return {
        items: ours.map(({ attributes: { Name = "" } }) => ({ id: Name, name: Name })),
        next: all.length === PER_PAGE,
      };
    }),
  },
  model: "own",
  txt: wholeZone,
  traits: { ttlMinS: 60, propagationMaxMs: 3_600_000, rateLimit: { requests: 50, perMs: 60_000 } },
});

function wholeZone(open: OpenApi): WholeZoneModel {
  return {
    model: "wholeZone",
    async readZone(zone, signal) {
      const where = get(`?Command=namecheap.domains.dns.getHosts${split(zone)}`);
      const xml = await (await open(signal)).call(where, z.string(), signal);
      const [result] = elements(xml, "DomainDNSGetHostsResult");
      if (result?.attributes.IsUsingOurDNS !== "true")
        throw new RenewalError("dns.refused", `namecheap: ${zone.name} does not use Namecheap's name servers`);
      const emailType = result.attributes.EmailType ?? "";
      return elements(xml, "host").map(({ attributes }) => rowOf(zone, attributes, emailType));
    },
    async writeZone(zone, rows, signal) {
      const xml = await (await open(signal)).call(setHosts(zone, rows), z.string(), signal);
      const [result] = elements(xml, "DomainDNSSetHostsResult");
      if (result?.attributes.IsSuccess !== "true")
        throw new RenewalError("dns.refused", `namecheap: the records of ${zone.name} were not accepted`);
      return null;
    },
  };
}

/** The API takes the second-level domain and the rest apart; every zone is a registered domain. */
function split({ name }: Zone): string {
  const dot = name.indexOf(".");
  return path`&SLD=${name.slice(0, dot)}&TLD=${name.slice(dot + 1)}`;
}

const rest = z.object({ mxPref: z.string(), emailType: z.string() });

function rowOf(zone: Zone, attributes: Readonly<Record<string, string>>, emailType: string): ZoneRow {
  const { Name = "", Type = "", Address = "", TTL = "", MXPref = "10" } = attributes;
  return {
    name: Name === "@" ? zone.name : `${Name.toLowerCase()}.${zone.name}`,
    type: Type.toUpperCase(),
    value: Address,
    ttlS: Number(TTL) || 1800,
    rest: { mxPref: MXPref, emailType },
  };
}

function setHosts(zone: Zone, rows: readonly ZoneRow[]): RestRequest {
  const form: Record<string, string> = {};
  let emailType = "";
  for (const [index, row] of rows.entries()) {
    const { data } = rest.safeParse(row.rest);
    emailType ||= data?.emailType ?? "";
    form[`HostName${index + 1}`] = relativeName(row.name, zone);
    form[`RecordType${index + 1}`] = row.type;
    form[`Address${index + 1}`] = row.value;
    form[`TTL${index + 1}`] = String(row.ttlS);
    if (data !== undefined) form[`MXPref${index + 1}`] = data.mxPref;
  }
  if (emailType !== "") form.EmailType = emailType;
  return { method: "POST", path: `?Command=namecheap.domains.dns.setHosts${split(zone)}`, form };
}
