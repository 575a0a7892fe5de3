// APIs whose values of one name are one set, in their vendors' own forms.
import type { ApiReply, ApiRequest } from "../api.ts";
import { add, type Dialect, type FakeZone, full, json, page, parts, TOKEN, unquoted, type World } from "./world.ts";

const quoted = (value: string): string => `"${value}"`;
const number = (query: URLSearchParams): number => Number(query.get("page") ?? 1);
const at = (zone: FakeZone, name: string) => zone.records.filter((one) => one.type === "TXT" && one.name === name);

function set(world: World, zone: FakeZone, name: string, ttl: number, values: readonly string[]): void {
  zone.records = zone.records.filter((one) => !(one.type === "TXT" && one.name === name));
  for (const value of values) add(world, zone, { name, type: "TXT", value, ttl });
}

function bearer(scheme: string, refusal: ApiReply): Dialect["authorize"] {
  return ({ headers }: ApiRequest) => (headers.authorization === `${scheme} ${TOKEN}` ? null : refusal);
}

/** docs.hetzner.cloud: changes are actions; a set is created, changed and deleted at three addresses. */
const hetzner: Dialect = {
  authorize: bearer("Bearer", {
    status: 401,
    body: { error: { code: "unauthorized", message: "unable to authenticate" } },
  }),
  answer(request, world) {
    const { method, path, query } = request;
    const [zones, id, rrsets, label, type, , action] = parts(path);
    if (zones !== "zones") return undefined;
    const missing = { status: 404, body: { error: { code: "not_found", message: "resource not found" } } };
    if (id === undefined) {
      const shown = page(world.zones, number(query)).map((one) => ({
        id: Number(one.id),
        name: one.name,
        mode: "primary",
        authoritative_nameservers: { assigned: ["hydrogen.ns.hetzner.com."] },
      }));
      const next = number(query) * 2 < world.zones.length ? number(query) + 1 : null;
      return { status: 200, body: { zones: shown, meta: { pagination: { page: number(query), next_page: next } } } };
    }
    const zone = world.zones.find((one) => one.id === id);
    if (zone === undefined || rrsets !== "rrsets") return missing;
    const done = { action: { id: 5, status: "running", command: "x", error: null } };
    const valuesIn = (body: Readonly<Record<string, unknown>>): string[] | null => {
      const all = Object.values(Object(body.records)).map((one) => String(Object(one).value));
      return all.length > 0 && all.every((value) => /^"[^"]*"$/.test(value)) ? all.map(unquoted) : null;
    };
    const invalid = { status: 422, body: { error: { code: "invalid_input", message: "invalid TXT value" } } };
    if (label === undefined && method === "GET") {
      const relative = (name: string): string => (name === zone.name ? "@" : name.slice(0, -zone.name.length - 1));
      const rrsets = zone.records.map((one) => ({
        id: one.id,
        name: relative(one.name),
        type: one.type,
        zone: Number(id),
      }));
      return { status: 200, body: { rrsets, meta: { pagination: { page: 1, next_page: null } } } };
    }
    if (label === undefined) {
      const body = json(request);
      const name = full(String(body.name), zone);
      if (at(zone, name).length > 0)
        return { status: 409, body: { error: { code: "uniqueness_error", message: "RRSet already exists" } } };
      const values = valuesIn(body);
      if (values === null || Number(body.ttl) < 60) return invalid;
      set(world, zone, name, Number(body.ttl), values);
      return { status: 201, body: { rrset: { id: `${body.name}/TXT` }, ...done } };
    }
    const name = full(label, zone);
    const found = at(zone, name);
    if (found.length === 0 || type !== "TXT") return missing;
    if (method === "GET") {
      const records = found.map(({ value }) => ({ value: quoted(value), comment: "" }));
      return { status: 200, body: { rrset: { id: `${label}/TXT`, ttl: found[0]?.ttl ?? null, records } } };
    }
    if (method === "DELETE") {
      set(world, zone, name, 0, []);
      return { status: 200, body: done };
    }
    const values = valuesIn(json(request));
    if (action !== "set_records" || values === null) return invalid;
    set(world, zone, name, found[0]?.ttl ?? 60, values);
    return { status: 201, body: done };
  },
};

/** api.gandi.net/docs/livedns */
const gandi: Dialect = {
  authorize: bearer("Bearer", {
    status: 403,
    body: { code: 403, message: "Access was denied to this resource.", object: "HTTPForbidden", cause: "Forbidden" },
  }),
  answer(request, world) {
    const { method, path, query } = request;
    const [, domains, name, records, label] = parts(path);
    if (domains !== "domains") return undefined;
    if (name === undefined)
      return { status: 200, body: page(world.zones, number(query), 100).map((one) => ({ fqdn: one.name })) };
    const zone = world.zones.find((one) => one.name === name);
    const missing = {
      status: 404,
      body: { code: 404, message: "Can't find", object: "dns-record", cause: "Not Found" },
    };
    if (zone === undefined || records !== "records" || label === undefined) return missing;
    const found = at(zone, full(label, zone));
    if (method === "GET")
      return found.length === 0
        ? missing
        : { status: 200, body: { rrset_values: found.map((one) => quoted(one.value)), rrset_ttl: found[0]?.ttl } };
    if (method === "DELETE") {
      set(world, zone, full(label, zone), 0, []);
      return { status: 204 };
    }
    const { rrset_values: values, rrset_ttl: ttl } = json(request);
    if (Number(ttl) < 300)
      return {
        status: 400,
        body: {
          status: "error",
          message: "Bad request",
          errors: [{ location: "body", name: "rrset_ttl", description: "must be at least 300" }],
        },
      };
    set(world, zone, full(label, zone), Number(ttl), Object.values(Object(values)).map(String).map(unquoted));
    return { status: 201, body: { message: "DNS Record Created" } };
  },
};

/** desec.readthedocs.io */
const desec: Dialect = {
  authorize: bearer("Token", { status: 401, body: { detail: "Invalid token." } }),
  answer(request, world) {
    const { method, path, query } = request;
    const [domains, name, rrsets, label] = parts(path);
    if (domains !== "domains") return undefined;
    if (!name) {
      const asked = query.get("owns_qname") ?? "";
      const found = world.zones.filter((one) => asked === one.name || asked.endsWith(`.${one.name}`));
      return { status: 200, body: found.map((one) => ({ name: one.name, minimum_ttl: 3600 })) };
    }
    const zone = world.zones.find((one) => one.name === name);
    if (zone === undefined || rrsets !== "rrsets") return { status: 404, body: { detail: "Not found." } };
    if (method === "GET") {
      const found = at(zone, full(label ?? "", zone));
      if (found.length === 0) return { status: 404, body: { detail: "Not found." } };
      return { status: 200, body: { records: found.map((one) => quoted(one.value)), ttl: found[0]?.ttl } };
    }
    if (method !== "PUT") return undefined;
    const sets = Object.values(json(request)).map((one) => Object(one));
    for (const { subname, ttl, records } of sets) {
      if (records.length > 0 && ttl < 3600)
        return { status: 400, body: [{ ttl: ["Ensure this value is greater than or equal to 3600."] }] };
      set(world, zone, full(subname, zone), ttl, records.map(unquoted));
    }
    return { status: 200, body: sets };
  },
};

/** doc.powerdns.com/authoritative/http-api: names end with a dot. */
const powerdns: Dialect = {
  authorize: ({ headers }) => (headers["x-api-key"] === TOKEN ? null : { status: 401, body: "Unauthorized" }),
  answer(request, world) {
    const { method, path, query } = request;
    const [, , , server, zones, id] = parts(path);
    if (server !== "localhost" || zones !== "zones") return undefined;
    if (id === undefined)
      return {
        status: 200,
        body: [
          ...world.zones.map((one) => ({ id: `${one.name}.`, name: `${one.name}.`, kind: "Native" })),
          { id: "copied.example.", name: "copied.example.", kind: "Slave" },
        ],
      };
    const zone = world.zones.find((one) => `${one.name}.` === id);
    if (zone === undefined) return { status: 404, body: { error: "Not Found" } };
    if (method === "GET") {
      const found = at(zone, (query.get("rrset_name") ?? "").replace(/\.$/, ""));
      if (query.get("rrset_name") === null) {
        const rrsets = zone.records.map((one) => ({ name: `${one.name}.`, type: one.type, ttl: one.ttl, records: [] }));
        return { status: 200, body: { id, rrsets } };
      }
      const rrset = {
        name: query.get("rrset_name"),
        type: "TXT",
        ttl: found[0]?.ttl,
        records: found.map((one) => ({ content: quoted(one.value), disabled: false })),
      };
      return { status: 200, body: { id, rrsets: found.length === 0 ? [] : [rrset] } };
    }
    if (method !== "PATCH") return undefined;
    const [change] = Object.values(Object(json(request).rrsets)).map((one) => Object(one));
    if (!change.name.endsWith("."))
      return { status: 422, body: { error: `DNS Name '${change.name}' is not canonical` } };
    const records: string[] = (change.records ?? []).map(({ content }: { content: string }) => content);
    if (records.some((content) => !/^".*"$/.test(content)))
      return {
        status: 422,
        body: { error: "Parsing record content failed: Data field in DNS should start with quote" },
      };
    set(world, zone, change.name.replace(/\.$/, ""), change.ttl ?? 0, records.map(unquoted));
    return { status: 204 };
  },
};

/** NS1: PUT creates, POST changes, and each refuses what the other is for. */
const ns1: Dialect = {
  authorize: ({ headers }) =>
    headers["x-nsone-key"] === TOKEN ? null : { status: 401, body: { message: "Unauthorized" } },
  answer(request, world) {
    const { method, path } = request;
    const [zones, name, domain, type] = parts(path);
    if (zones !== "zones") return undefined;
    if (name === undefined)
      return {
        status: 200,
        body: world.zones.map((one) => ({ id: one.id, zone: one.name, dns_servers: ["dns1.p01.nsone.net"] })),
      };
    const zone = world.zones.find((one) => one.name === name);
    if (zone === undefined || type !== "TXT" || domain === undefined)
      return { status: 404, body: { message: "zone not found" } };
    const found = at(zone, domain);
    const missing = { status: 404, body: { message: "record not found" } };
    if (method === "GET")
      return found.length === 0
        ? missing
        : { status: 200, body: { ttl: found[0]?.ttl, answers: found.map((one) => ({ answer: [one.value] })) } };
    if (method === "DELETE") {
      if (found.length === 0) return missing;
      set(world, zone, domain, 0, []);
      return { status: 200, body: {} };
    }
    if (method === "PUT" && found.length > 0) return { status: 400, body: { message: "record already exists" } };
    if (method === "POST" && found.length === 0) return missing;
    const { answers, ttl } = json(request);
    const values = Object.values(Object(answers)).map((one) => String(Object(one).answer[0]));
    set(world, zone, domain, Number(ttl), values);
    return { status: 200, body: {} };
  },
};

/** developer.godaddy.com: pages by the last domain of the page before. */
const godaddy: Dialect = {
  authorize: ({ headers }) =>
    headers.authorization === `sso-key pk1:${TOKEN}`
      ? null
      : {
          status: 401,
          body: { code: "UNABLE_TO_AUTHENTICATE", message: "Unauthorized : Could not authenticate API key/secret" },
        },
  answer(request, world) {
    const { method, path } = request;
    const [, domains, name, , type, label] = parts(path);
    if (domains !== "domains") return undefined;
    if (name === undefined)
      return { status: 200, body: world.zones.map((one) => ({ domain: one.name, status: "ACTIVE" })) };
    const zone = world.zones.find((one) => one.name === name);
    if (zone === undefined || type !== "TXT" || label === undefined)
      return { status: 404, body: { code: "UNKNOWN_DOMAIN", message: "The given domain is not registered" } };
    if (method === "GET")
      return {
        status: 200,
        body: at(zone, full(label, zone)).map((one) => ({ data: one.value, name: label, ttl: one.ttl, type })),
      };
    if (method === "DELETE") {
      if (at(zone, full(label, zone)).length === 0)
        return { status: 404, body: { code: "NOT_FOUND", message: "none" } };
      set(world, zone, full(label, zone), 0, []);
      return { status: 204 };
    }
    const records = Object.values(json(request)).map((one) => Object(one));
    if (records.some(({ ttl }) => ttl < 600))
      return { status: 422, body: { code: "INVALID_BODY", message: "ttl must be at least 600" } };
    set(
      world,
      zone,
      full(label, zone),
      records[0]?.ttl,
      records.map(({ data }) => data),
    );
    return { status: 200, body: "" };
  },
};

export const RRSET_DIALECTS = { hetzner, gandi, desec, powerdns, ns1, godaddy };
