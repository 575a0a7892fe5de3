// APIs with one address for everything: single records through calls with a name, answered with 200 whatever happens.
import type { ApiReply, ApiRequest } from "../api.ts";
import { add, type Dialect, drop, type FakeZone, full, json, parts, relative, TOKEN, type World } from "./world.ts";

const byName = ({ zones }: World, name: unknown): FakeZone | undefined => zones.find((zone) => zone.name === name);
const txt = (zone: FakeZone, name?: string) =>
  zone.records.filter((one) => one.type === "TXT" && (name === undefined || one.name === name));

/** porkbun.com/api/json/v3/documentation: the keys are in each body. */
const porkbun: Dialect = {
  authorize(request) {
    const { apikey, secretapikey } = json(request);
    return apikey === "pk1" && secretapikey === TOKEN
      ? null
      : { status: 400, body: { status: "ERROR", message: "Invalid API key. (002)" } };
  },
  answer(request, world) {
    const { method, path } = request;
    if (method !== "POST") return undefined;
    const [kind, action, name, ...rest] = parts(path);
    const body = json(request);
    if (kind === "domain" && action === "listAll") {
      const all = Number(body.start) > 0 ? [] : world.zones;
      return { status: 200, body: { status: "SUCCESS", domains: all.map((one) => ({ domain: one.name })) } };
    }
    const zone = byName(world, name);
    if (zone === undefined) return { status: 400, body: { status: "ERROR", message: "Invalid domain." } };
    if (action === "retrieveByNameType") {
      const records = txt(zone, full(rest[1] ?? "", zone)).map(({ value, ttl, ...one }) => ({
        ...one,
        content: value,
        ttl: String(ttl),
      }));
      return { status: 200, body: { status: "SUCCESS", records } };
    }
    if (action === "delete")
      return drop(zone, rest[0] ?? "")
        ? { status: 200, body: { status: "SUCCESS" } }
        : { status: 404, body: { status: "ERROR", message: "Invalid record ID." } };
    if (Number(body.ttl) < 600) return { status: 400, body: { status: "ERROR", message: "TTL must be at least 600." } };
    const created = add(world, zone, {
      name: full(String(body.name ?? ""), zone),
      type: String(body.type),
      value: String(body.content),
      ttl: Number(body.ttl),
    });
    return { status: 200, body: { status: "SUCCESS", id: Number(created.id) } };
  },
};

/** www.inwx.com/en/help/apidoc: a cookie after account.login, EPP's result codes. */
const inwx: Dialect = {
  authorize(request): ApiReply | null {
    const { method, params } = json(request);
    const { user, pass } = Object(params);
    if (method === "account.login")
      return user === "admin" && pass === TOKEN
        ? { status: 200, body: { code: 1000, msg: "ok" }, headers: { "set-cookie": "domrobot=abc123; path=/; secure" } }
        : { status: 200, body: { code: 2200, msg: "Authentication error" } };
    return request.headers.cookie === "domrobot=abc123"
      ? null
      : { status: 200, body: { code: 2002, msg: "Command use error", reason: "login first" } };
  },
  answer(request, world) {
    const { method, params } = json(request);
    const given = Object(params);
    const ok = (resData: object): ApiReply => ({ status: 200, body: { code: 1000, msg: "ok", resData } });
    if (method === "nameserver.list") {
      const domains = given.page === 1 ? world.zones.map((one) => ({ domain: one.name, type: "MASTER" })) : [];
      return ok({ count: world.zones.length, domains });
    }
    if (method === "nameserver.deleteRecord") {
      const dropped = world.zones.some((zone) => drop(zone, String(given.id)));
      return dropped ? ok({}) : { status: 200, body: { code: 2303, msg: "Object does not exist" } };
    }
    const zone = byName(world, given.domain);
    if (zone === undefined) return { status: 200, body: { code: 2303, msg: "Object does not exist" } };
    if (method === "nameserver.info") {
      const record = txt(zone, String(given.name)).map((one) => ({
        id: Number(one.id),
        name: one.name,
        type: one.type,
        content: one.value,
      }));
      return ok(record.length === 0 ? {} : { record });
    }
    if (method !== "nameserver.createRecord") return undefined;
    if (given.ttl < 300) return { status: 200, body: { code: 2004, msg: "Parameter value range error" } };
    const created = add(world, zone, {
      name: full(given.name, zone),
      type: given.type,
      value: given.content,
      ttl: given.ttl,
    });
    return ok({ id: Number(created.id) });
  },
};

/** ccp.netcup.net/run/webservice/servers/endpoint.php */
const netcup: Dialect = {
  authorize(request): ApiReply | null {
    const { action, param } = json(request);
    const { customernumber, apikey, apipassword, apisessionid } = Object(param);
    const right = customernumber === "12345" && apikey === "pk1";
    if (action === "login")
      return right && apipassword === TOKEN
        ? { status: 200, body: reply("success", 2000, "Login successful", { apisessionid: "S1" }) }
        : { status: 200, body: reply("error", 4013, "Validation Error.", "") };
    return right && apisessionid === "S1"
      ? null
      : { status: 200, body: reply("error", 4001, "The session id is not in a valid format.", "") };
  },
  answer(request, world) {
    const { action, param } = json(request);
    const { domainname, dnsrecordset } = Object(param);
    const zone = byName(world, domainname);
    if (zone === undefined) return { status: 200, body: reply("error", 5029, "Can not get DNS records for zone.", "") };
    const shown = (): object => ({
      dnsrecords: zone.records.map((one) => ({
        id: one.id,
        hostname: relative(one.name, zone, "@"),
        type: one.type,
        priority: "0",
        destination: one.value,
        deleterecord: false,
        state: "yes",
      })),
    });
    if (action === "infoDnsZone")
      return { status: 200, body: reply("success", 2000, "ok", { name: zone.name, ttl: "86400" }) };
    if (action === "infoDnsRecords") return { status: 200, body: reply("success", 2000, "ok", shown()) };
    if (action !== "updateDnsRecords") return undefined;
    for (const { id, hostname, type, destination, deleterecord } of dnsrecordset.dnsrecords) {
      if (deleterecord === true) drop(zone, id);
      else add(world, zone, { name: full(hostname, zone), type, value: destination, ttl: 86_400 });
    }
    return { status: 200, body: reply("success", 2000, "ok", shown()) };
  },
};

function reply(status: string, statuscode: number, longmessage: string, responsedata: unknown): object {
  return {
    serverrequestid: "r",
    action: "a",
    status,
    statuscode,
    shortmessage: longmessage,
    longmessage,
    responsedata,
  };
}

/** www.duckdns.org/spec.jsp: one value for the whole subdomain. */
const duckdns: Dialect = {
  authorize: ({ query }: ApiRequest) => (query.get("token") === TOKEN ? null : { status: 200, body: "KO" }),
  answer({ path, query }, world) {
    const zone = world.zones.find((one) => one.name === `${query.get("domains")}.duckdns.org`);
    if (path !== "/update" || zone === undefined) return { status: 200, body: "KO" };
    zone.records = zone.records.filter(({ type }) => type !== "TXT");
    if (query.get("clear") !== "true")
      add(world, zone, { name: `_acme-challenge.${zone.name}`, type: "TXT", value: query.get("txt") ?? "", ttl: 60 });
    return { status: 200, body: "OK" };
  },
};

export const RPC_DIALECTS = { porkbun, inwx, netcup, duckdns };
