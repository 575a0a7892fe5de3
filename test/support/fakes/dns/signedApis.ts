// APIs that want every request signed. The signatures are checked by the vendors' own packages.
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import type { ApiReply, ApiRequest } from "../api.ts";
import { add, type Dialect, drop, type FakeZone, full, json, parts, relative, TOKEN, unquoted } from "./world.ts";

const load = createRequire(import.meta.url);
const urlOf = ({ host, path, query }: ApiRequest): string =>
  `http://${host}${path}${query.size > 0 ? `?${query}` : ""}`;
const txt = (zone: FakeZone, name: string) => zone.records.filter((one) => one.type === "TXT" && one.name === name);

/** eu.api.ovh.com/console: lists have ids only, and nothing is served before the zone is refreshed. */
const ovh: Dialect = {
  authorize(request) {
    const { headers, method, body } = request;
    const client = new (load("ovh"))({ appKey: "ak", appSecret: TOKEN, consumerKey: "ck" });
    const at = String(headers["x-ovh-timestamp"]);
    const isRight = headers["x-ovh-signature"] === client.signRequest(method, urlOf(request), body, at);
    if (Math.abs(Number(at) * 1000 - Date.now()) > 60_000)
      return { status: 400, body: { errorCode: "QUERY_TIME_OUT", message: "Query out of time" } };
    if (headers["x-ovh-application"] === "ak" && headers["x-ovh-consumer"] === "ck" && isRight) return null;
    return {
      status: 400,
      body: { class: "Client::BadRequest", errorCode: "INVALID_SIGNATURE", message: "Invalid signature" },
    };
  },
  answer(request, world) {
    const { method, path, query } = request;
    const [domain, zones, name, action, id] = parts(path);
    if (domain !== "domain" || zones !== "zone") return undefined;
    if (name === undefined) return { status: 200, body: world.zones.map((one) => one.name) };
    const zone = world.zones.find((one) => one.name === name);
    const missing: ApiReply = {
      status: 404,
      body: { class: "Client::NotFound", message: "This service does not exist" },
    };
    if (zone === undefined) return missing;
    if (action === "refresh") return { status: 200, body: "null" };
    if (action !== "record") return undefined;
    const shown = (one: FakeZone["records"][number]) => ({
      id: Number(one.id),
      zone: name,
      fieldType: one.type,
      subDomain: relative(one.name, zone, ""),
      target: `"${one.value}"`,
    });
    if (method === "POST") {
      const { fieldType, subDomain, target, ttl } = json(request);
      const one = { type: String(fieldType), name: full(String(subDomain), zone), value: unquoted(String(target)) };
      return { status: 200, body: shown(add(world, zone, { ...one, ttl: Number(ttl) })) };
    }
    if (id === undefined)
      return { status: 200, body: txt(zone, full(query.get("subDomain") ?? "", zone)).map((one) => Number(one.id)) };
    if (method === "DELETE") return drop(zone, id) ? { status: 200, body: "null" } : missing;
    const found = zone.records.find((one) => one.id === id);
    return found === undefined ? missing : { status: 200, body: shown(found) };
  },
};

/** techdocs.akamai.com/edge-dns, EdgeGrid */
const akamai: Dialect = {
  authorize(request) {
    const { method, host, path, query, body, headers } = request;
    const given = String(headers.authorization);
    const [, timestamp, nonce] = /timestamp=([^;]+);nonce=([^;]+);/.exec(given) ?? [];
    // A file that the package does not export.
    const { generateAuth } = load(join(dirname(load.resolve("akamai-edgegrid")), "src/auth.js"));
    const unsigned = { method, path: path + (query.size > 0 ? `?${query}` : ""), body, headers: {} };
    const expected = generateAuth(unsigned, "ct", TOKEN, "at", `http://${host}`, 131_072, nonce, timestamp);
    if (given === expected.headers.Authorization) return null;
    return { status: 401, body: { title: "Not authorized", status: 401, detail: "The signature does not match" } };
  },
  answer(request, world) {
    const { method, path } = request;
    const [, , zones, name, , record, , type] = parts(path);
    if (zones !== "zones") return undefined;
    if (name === undefined)
      return { status: 200, body: { zones: world.zones.map((one) => ({ zone: one.name, type: "PRIMARY" })) } };
    const zone = world.zones.find((one) => one.name === name);
    const missing = {
      status: 404,
      body: { title: "Not Found", status: 404, detail: "Requested record set not found" },
    };
    if (zone === undefined || record === undefined || type !== "TXT") return missing;
    const found = txt(zone, record);
    if (method === "GET")
      return found.length === 0
        ? missing
        : {
            status: 200,
            body: { name: record, type, ttl: found[0]?.ttl, rdata: found.map((one) => `"${one.value}"`) },
          };
    if (method === "POST" && found.length > 0)
      return { status: 409, body: { title: "Conflict", status: 409, detail: "Record set already exists" } };
    if (method !== "POST" && found.length === 0) return missing;
    zone.records = zone.records.filter((one) => !found.includes(one));
    if (method === "DELETE") return { status: 204 };
    const { rdata, ttl } = json(request);
    for (const value of Object.values(Object(rdata)).map(String))
      add(world, zone, { name: record, type, value: unquoted(value), ttl: Number(ttl) });
    return { status: 200, body: {} };
  },
};

/** github.com/joohoi/acme-dns: the two newest values of one name. */
export const acmeDns: Dialect = {
  authorize({ headers }) {
    const isRight = headers["x-api-user"] === "u" && headers["x-api-key"] === TOKEN;
    return isRight ? null : { status: 401, body: { error: "forbidden" } };
  },
  answer(request, world) {
    const { method, path } = request;
    const [zone] = world.zones;
    if (method !== "POST" || path !== "/update" || zone === undefined) return undefined;
    const { subdomain, txt: value } = json(request);
    if (subdomain !== "sub") return { status: 401, body: { error: "forbidden" } };
    if (String(value).length !== 43) return { status: 400, body: { error: "bad_txt" } };
    const name = `sub.${zone.name}`;
    const kept = txt(zone, name).slice(-1);
    zone.records = [...zone.records.filter((one) => one.name !== name), ...kept];
    add(world, zone, { name, type: "TXT", value: String(value), ttl: 1 });
    return { status: 200, body: { txt: value } };
  },
};

export const SIGNED_DIALECTS = { ovh, akamai };
