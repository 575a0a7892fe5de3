// APIs whose TXT records are created and removed one by one, and listed at once, in their vendors' own forms.
import { bearer, byId, PAGED_DIALECTS, txtAt } from "./pagedRecordApis.ts";
import { add, type Dialect, drop, type FakeZone, full, json, parts, relative, TOKEN, unquoted } from "./world.ts";

/** developer.hosting.ionos.com/docs/dns */
const ionos: Dialect = {
  authorize: ({ headers }) =>
    headers["x-api-key"] === TOKEN
      ? null
      : {
          status: 401,
          body: [{ code: "UNAUTHORIZED", message: "The customer is not authorized to do this operation." }],
        },
  answer(request, world) {
    const { method, path, query } = request;
    const [, zones, id, records, record] = parts(path);
    if (zones !== "zones") return undefined;
    if (id === undefined) {
      const all = world.zones.map((zone) => ({ id: zone.id, name: zone.name, type: "NATIVE" }));
      return { status: 200, body: [...all, { id: "9", name: "copied.example", type: "SLAVE" }] };
    }
    const zone = byId(world, id);
    if (zone === undefined) return { status: 404, body: [{ code: "ZONE_NOT_FOUND" }] };
    const shown = (one: FakeZone["records"][number]) => ({
      id: one.id,
      name: one.name,
      rootName: zone.name,
      type: one.type,
      content: `"${one.value}"`,
      ttl: one.ttl,
    });
    if (method === "GET")
      return { status: 200, body: { id, records: txtAt(zone, query.get("recordName")).map(shown) } };
    if (method === "DELETE")
      return drop(zone, record ?? "")
        ? { status: 200, body: "" }
        : { status: 404, body: [{ code: "RECORD_NOT_FOUND" }] };
    if (records !== "records") return undefined;
    const [wanted] = Object.values(json(request));
    const { name, type, content, ttl } = Object(wanted);
    if (!String(name).endsWith(zone.name) || Number(ttl) < 60)
      return { status: 400, body: [{ code: "INVALID_RECORD", message: "Record is invalid" }] };
    const created = add(world, zone, { name, type, value: unquoted(content), ttl });
    return { status: 201, body: [shown(created)] };
  },
};

/** open-api.netlify.com */
const netlify: Dialect = {
  authorize: bearer({ status: 401, body: { code: 401, message: "Access Denied: Invalid Access Token" } }),
  answer(request, world) {
    const { method, path } = request;
    const [zones, id, records, record] = parts(path);
    if (zones !== "dns_zones") return undefined;
    if (id === undefined)
      return {
        status: 200,
        body: world.zones.map((one) => ({ id: one.id, name: one.name, dns_servers: ["dns1.p01.nsone.net"] })),
      };
    const zone = byId(world, id);
    if (zone === undefined || records !== "dns_records")
      return { status: 404, body: { code: 404, message: "Not Found" } };
    const shown = (one: FakeZone["records"][number]) => ({
      id: one.id,
      hostname: one.name,
      type: one.type,
      value: one.value,
    });
    if (method === "GET") return { status: 200, body: zone.records.map(shown) };
    if (method === "DELETE")
      return drop(zone, record ?? "") ? { status: 204 } : { status: 404, body: { code: 404, message: "Not Found" } };
    const { hostname, type, value, ttl } = json(request);
    const created = add(world, zone, {
      name: String(hostname),
      type: String(type),
      value: String(value),
      ttl: Number(ttl),
    });
    return { status: 201, body: shown(created) };
  },
};

/** developer.infomaniak.com */
const infomaniak: Dialect = {
  authorize: bearer({
    status: 401,
    body: { result: "error", error: { code: "not_authorized", description: "Authorization required" } },
  }),
  answer(request, world) {
    const { method, path, query } = request;
    const [, kind, id, , , record] = parts(path);
    if (kind === "product") {
      const found = world.zones.filter((zone) => zone.name === query.get("customer_name"));
      return {
        status: 200,
        body: { result: "success", data: found.map((one) => ({ id: Number(one.id), customer_name: one.name })) },
      };
    }
    const zone = byId(world, id);
    if (kind !== "domain" || zone === undefined) return undefined;
    const missing = {
      status: 404,
      body: { result: "error", error: { code: "object_not_found", description: "Object not found" } },
    };
    if (method === "GET") {
      const data = txtAt(zone, query.get("search")).map((one) => ({
        id: Number(one.id),
        source: relative(one.name, zone, "."),
        source_idn: one.name,
        type: one.type,
        target: one.value,
      }));
      return { status: 200, body: { result: "success", data } };
    }
    if (method === "DELETE")
      return drop(zone, record ?? "") ? { status: 200, body: { result: "success", data: true } } : missing;
    const { type, source, target, ttl } = json(request);
    const created = add(world, zone, {
      type: String(type),
      name: full(String(source), zone),
      value: String(target),
      ttl: Number(ttl),
    });
    return { status: 200, body: { result: "success", data: created.id } };
  },
};

export const RECORD_DIALECTS = { ...PAGED_DIALECTS, ionos, netlify, infomaniak };
