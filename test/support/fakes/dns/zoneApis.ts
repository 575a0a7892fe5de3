// APIs that write a zone only as a whole.
import { add, type Dialect, full, relative, TOKEN } from "./world.ts";

const xml = (command: string, inner: string): string =>
  `<?xml version="1.0" encoding="utf-8"?><ApiResponse Status="OK" xmlns="http://api.namecheap.com/xml.response">` +
  `<Errors /><CommandResponse Type="${command}">${inner}</CommandResponse></ApiResponse>`;
const error = (number: string, text: string): string =>
  `<?xml version="1.0"?><ApiResponse Status="ERROR"><Errors><Error Number="${number}">${text}</Error></Errors></ApiResponse>`;
const escaped = (text: string): string => text.replace(/[&<>"]/g, (one) => `&#${one.charCodeAt(0)};`);

/** www.namecheap.com/support/api: what setHosts is not given is deleted; errors come with HTTP 200. */
export const namecheap: Dialect = {
  authorize({ query }) {
    if (query.get("ApiUser") !== "admin" || query.get("ApiKey") !== TOKEN)
      return { status: 200, body: error("1011102", "API Key is invalid or API access has not been enabled") };
    return query.get("ClientIp") === "192.0.2.10"
      ? null
      : { status: 200, body: error("1011150", `Invalid request IP: ${query.get("ClientIp")}`) };
  },
  answer({ method, query, body, headers }, world) {
    const command = query.get("Command") ?? "";
    if (command === "namecheap.domains.getList") {
      const all = world.zones.map(
        (one) => `<Domain ID="${one.id}" Name="${one.name}" IsExpired="false" IsOurDNS="true" />`,
      );
      return { status: 200, body: xml(command, `<DomainGetListResult>${all.join("")}</DomainGetListResult>`) };
    }
    const zone = world.zones.find((one) => one.name === `${query.get("SLD")}.${query.get("TLD")}`);
    if (zone === undefined) return { status: 200, body: error("2019166", "Domain not found") };
    if (command === "namecheap.domains.dns.getHosts") {
      const hosts = zone.records.map(
        (one) =>
          `<host HostId="${one.id}" Name="${relative(one.name, zone, "@")}" Type="${one.type}" ` +
          `Address="${escaped(one.value)}" MXPref="10" TTL="${one.ttl}" />`,
      );
      const result = `<DomainDNSGetHostsResult Domain="${zone.name}" EmailType="MXE" IsUsingOurDNS="true">`;
      return { status: 200, body: xml(command, `${result}${hosts.join("")}</DomainDNSGetHostsResult>`) };
    }
    if (command !== "namecheap.domains.dns.setHosts" || method !== "POST") return undefined;
    if (headers["content-type"] !== "application/x-www-form-urlencoded") return undefined;
    const form = new URLSearchParams(body);
    if (form.get("EmailType") !== "MXE") return { status: 200, body: error("3050900", "EmailType was lost") };
    zone.records = [];
    for (let index = 1; form.has(`HostName${index}`); index++)
      add(world, zone, {
        name: full(form.get(`HostName${index}`) ?? "", zone),
        type: form.get(`RecordType${index}`) ?? "",
        value: form.get(`Address${index}`) ?? "",
        ttl: Number(form.get(`TTL${index}`)),
      });
    return { status: 200, body: xml(command, `<DomainDNSSetHostsResult Domain="${zone.name}" IsSuccess="true" />`) };
  },
};
