// APIs whose TXT records are created and removed one by one, and listed page by page, in their vendors' own forms.
import type { ApiReply, ApiRequest } from "../api.ts";
import {
  add,
  type Dialect,
  drop,
  type FakeZone,
  full,
  json,
  page,
  parts,
  relative,
  TOKEN,
  unquoted,
  type World,
} from "./world.ts";

/** `SENT` in the refusal: vendors that repeat what they were sent. */
export const bearer =
  (refusal: ApiReply) =>
  ({ headers }: ApiRequest): ApiReply | null => {
    if (headers.authorization === `Bearer ${TOKEN}`) return null;
    return { ...refusal, body: JSON.stringify(refusal.body).replace("SENT", String(headers.authorization)) };
  };
export const byId = ({ zones }: World, id: string | undefined): FakeZone | undefined =>
  zones.find((zone) => zone.id === id);
const byName = ({ zones }: World, name: string | undefined): FakeZone | undefined =>
  zones.find((zone) => zone.name === name);
const number = (query: URLSearchParams, name = "page"): number => Number(query.get(name) ?? 1);
export const txtAt = (zone: FakeZone, name: string | null) =>
  zone.records.filter((record) => record.type === "TXT" && (name === null || record.name === name));

/** developers.cloudflare.com/api */
const cloudflare: Dialect = {
  authorize: bearer({
    status: 403,
    body: { success: false, errors: [{ code: 9109, message: "Invalid access token SENT" }], result: null },
  }),
  answer({ method, path, query, ...request }, world) {
    const [zones, id, records, record] = parts(path);
    if (zones !== "zones") return undefined;
    const info = (items: readonly unknown[]) => ({
      page: number(query),
      total_pages: Math.ceil(items.length / 2),
    });
    if (id === undefined) {
      const result = page(world.zones, number(query)).map((zone) => ({
        id: zone.id,
        name: zone.name,
        name_servers: ["Ada.NS.cloudflare.com"],
      }));
      return { status: 200, body: { success: true, errors: [], result, result_info: info(world.zones) } };
    }
    const zone = byId(world, id);
    const missing = { status: 404, body: { success: false, errors: [{ code: 7003, message: "Could not route" }] } };
    if (zone === undefined) return missing;
    if (records === undefined)
      return { status: 200, body: { success: true, result: { permissions: ["#zone:read", "#dns_records:read"] } } };
    if (method === "GET") {
      // Without a type, and so without a name: every record.
      const all = query.get("type") === null ? zone.records : txtAt(zone, query.get("name"));
      const result = page(all, number(query)).map(({ value, ...rest }) => ({ ...rest, content: `"${value}"` }));
      return { status: 200, body: { success: true, result, result_info: info(all) } };
    }
    if (method === "DELETE")
      return drop(zone, record ?? "") ? { status: 200, body: { result: { id: record } } } : missing;
    const { type, name, content, ttl } = json({ method, path, query, ...request });
    if (Number(ttl) !== 1 && Number(ttl) < 60)
      return { status: 400, body: { success: false, errors: [{ code: 9021, message: "Invalid TTL." }] } };
    const value = unquoted(String(content));
    if (txtAt(zone, String(name)).some((one) => one.value === value))
      return { status: 400, body: { errors: [{ code: 81058, message: "An identical record already exists." }] } };
    const created = add(world, zone, { type: String(type), name: String(name), value, ttl: Number(ttl) });
    return { status: 200, body: { success: true, result: created } };
  },
};

/** docs.digitalocean.com/reference/api */
const digitalocean: Dialect = {
  authorize: bearer({ status: 401, body: { id: "Unauthorized", message: "Unable to authenticate you with SENT" } }),
  answer(request, world) {
    const { method, path, query } = request;
    const [domains, name, records, id] = parts(path);
    if (domains !== "domains") return undefined;
    const links = (all: readonly unknown[]) =>
      number(query) * 2 < all.length ? { pages: { next: "https://api.digitalocean.com/v2/?page=2" } } : {};
    if (name === undefined) {
      const shown = page(world.zones, number(query)).map((zone) => ({ name: zone.name, ttl: 1800 }));
      return { status: 200, body: { domains: shown, links: links(world.zones) } };
    }
    const zone = byName(world, name);
    if (zone === undefined || records !== "records") return { status: 404, body: { id: "not_found", message: "none" } };
    const shown = (one: FakeZone["records"][number]) => ({
      id: Number(one.id),
      type: one.type,
      name: relative(one.name, zone, "@"),
      data: one.value,
      ttl: one.ttl,
    });
    if (method === "GET") {
      const all = txtAt(zone, query.get("name"));
      return { status: 200, body: { domain_records: page(all, number(query)).map(shown), links: links(all) } };
    }
    if (method === "DELETE")
      return drop(zone, id ?? "") ? { status: 204 } : { status: 404, body: { id: "not_found", message: "none" } };
    const { type, name: label, data, ttl } = json(request);
    if (Number(ttl) < 30)
      return { status: 422, body: { id: "unprocessable_entity", message: "TTL must be at least 30" } };
    const one = { type: String(type), name: full(String(label), zone), value: String(data), ttl: Number(ttl) };
    return { status: 201, body: { domain_record: shown(add(world, zone, one)) } };
  },
};

/** developer.dnsimple.com/v2 */
const dnsimple: Dialect = {
  authorize: bearer({ status: 401, body: { message: "Authentication failed" } }),
  answer(request, world) {
    const { method, path, query } = request;
    const [, account, zones, name, records, id] = parts(path);
    if (account === "accounts") return { status: 200, body: { data: [{ id: 7, email: "a@example.org" }] } };
    if (account !== "7" || zones !== "zones") return undefined;
    const paged = (all: readonly unknown[]) => ({
      current_page: number(query),
      total_pages: Math.ceil(all.length / 2),
    });
    if (name === undefined) {
      const data = page(world.zones, number(query)).map((zone) => ({ id: Number(zone.id), name: zone.name }));
      return { status: 200, body: { data, pagination: paged(world.zones) } };
    }
    const zone = byName(world, name);
    if (zone === undefined || records !== "records")
      return { status: 404, body: { message: `Zone ${name} not found` } };
    const shown = (one: FakeZone["records"][number]) => ({
      id: Number(one.id),
      name: relative(one.name, zone, ""),
      type: one.type,
      content: `"${one.value}"`,
      ttl: one.ttl,
    });
    if (method === "GET") {
      const all = txtAt(zone, full(query.get("name") ?? "", zone));
      return { status: 200, body: { data: page(all, number(query)).map(shown), pagination: paged(all) } };
    }
    if (method === "DELETE") return drop(zone, id ?? "") ? { status: 204 } : { status: 404, body: { message: "none" } };
    const { name: label, type, content, ttl } = json(request);
    if (type !== "TXT") return { status: 400, body: { message: "Validation failed", errors: { type: ["is wrong"] } } };
    const one = { name: full(String(label), zone), type, value: unquoted(String(content)), ttl: Number(ttl) };
    return { status: 201, body: { data: shown(add(world, zone, one)) } };
  },
};

/** techdocs.akamai.com/linode-api */
const linode: Dialect = {
  authorize: bearer({ status: 401, body: { errors: [{ reason: "Invalid Token" }] } }),
  answer(request, world) {
    const { method, path, query } = request;
    const [domains, id, records, record] = parts(path);
    if (domains !== "domains") return undefined;
    const paged = (all: readonly unknown[]) => ({ page: number(query), pages: Math.ceil(all.length / 2) });
    if (id === undefined) {
      const data = page(world.zones, number(query)).map((one) => ({
        id: Number(one.id),
        domain: one.name,
        type: "master",
      }));
      return { status: 200, body: { data, ...paged(world.zones) } };
    }
    const zone = byId(world, id);
    if (zone === undefined || records !== "records")
      return { status: 404, body: { errors: [{ reason: "Not found" }] } };
    if (method === "GET") {
      const data = page(zone.records, number(query)).map((one) => ({
        id: Number(one.id),
        type: one.type,
        name: relative(one.name, zone, ""),
        target: one.value,
      }));
      return { status: 200, body: { data, ...paged(zone.records) } };
    }
    if (method === "DELETE")
      return drop(zone, record ?? "")
        ? { status: 200, body: {} }
        : { status: 404, body: { errors: [{ reason: "Not found" }] } };
    const { type, name, target, ttl_sec: ttl } = json(request);
    if (![0, 30, 120, 300, 3600, 7200].includes(Number(ttl)))
      return { status: 400, body: { errors: [{ reason: "Must be a valid TTL", field: "ttl_sec" }] } };
    const one = { type: String(type), name: full(String(name), zone), value: String(target), ttl: Number(ttl) };
    return { status: 200, body: { id: Number(add(world, zone, one).id) } };
  },
};

/** www.vultr.com/api: pages by cursor. */
const vultr: Dialect = {
  authorize: bearer({ status: 401, body: { error: "Invalid API token.", status: 401 } }),
  answer(request, world) {
    const { method, path, query } = request;
    const [domains, name, records, id] = parts(path);
    if (domains !== "domains") return undefined;
    const at = Number(Buffer.from(query.get("cursor") ?? "", "base64").toString() || 1);
    const meta = (all: readonly unknown[]) => ({
      links: { next: at * 2 < all.length ? Buffer.from(String(at + 1)).toString("base64") : "", prev: "" },
    });
    if (name === undefined)
      return {
        status: 200,
        body: { domains: page(world.zones, at).map((one) => ({ domain: one.name })), meta: meta(world.zones) },
      };
    const zone = byName(world, name);
    if (zone === undefined || records !== "records")
      return { status: 404, body: { error: "Invalid domain.", status: 404 } };
    const shown = (one: FakeZone["records"][number]) => ({
      id: one.id,
      type: one.type,
      name: relative(one.name, zone, ""),
      data: one.type === "TXT" ? `"${one.value}"` : one.value,
    });
    if (method === "GET")
      return { status: 200, body: { records: page(zone.records, at).map(shown), meta: meta(zone.records) } };
    if (method === "DELETE")
      return drop(zone, id ?? "") ? { status: 204 } : { status: 404, body: { error: "Invalid record." } };
    const { type, name: label, data, ttl } = json(request);
    if (!/^".*"$/.test(String(data)))
      return { status: 400, body: { error: "TXT data must be in quotes", status: 400 } };
    const one = {
      type: String(type),
      name: full(String(label), zone),
      value: unquoted(String(data)),
      ttl: Number(ttl),
    };
    return { status: 201, body: { record: shown(add(world, zone, one)) } };
  },
};

/** www.scaleway.com/en/developers/api/domains-and-dns */
const scaleway: Dialect = {
  authorize: ({ headers }) =>
    headers["x-auth-token"] === TOKEN
      ? null
      : { status: 403, body: { type: "denied_authentication", message: "authentication is denied" } },
  answer(request, world) {
    const { method, path, query } = request;
    const [zones, name, records] = parts(path);
    if (zones !== "dns-zones") return undefined;
    if (name === undefined) {
      const all = world.zones.map((one) => {
        const [subdomain = "", ...domain] = one.name === "two.example" ? ["sub", "two.example"] : ["", one.name];
        return { subdomain, domain: domain.join("."), ns: ["ns0.dom.scw.cloud"], status: "active" };
      });
      return { status: 200, body: { dns_zones: all, total_count: all.length } };
    }
    const zone = byName(world, name);
    if (zone === undefined || records !== "records")
      return { status: 404, body: { type: "not_found", message: "domain not found" } };
    const shown = (one: FakeZone["records"][number]) => ({
      id: one.id,
      name: relative(one.name, zone, ""),
      type: one.type,
      data: `"${one.value}"`,
      ttl: one.ttl,
    });
    if (method === "GET") {
      const all = txtAt(zone, full(query.get("name") ?? "", zone)).map(shown);
      return {
        status: 200,
        body: { records: page(all, number(query), Number(query.get("page_size"))), total_count: all.length },
      };
    }
    const { changes } = json(request);
    const [change] = Object.values(Object(changes));
    const { add: added, delete: removed } = Object(change);
    if (removed !== undefined)
      return drop(zone, String(removed.id))
        ? { status: 200, body: { records: [] } }
        : { status: 404, body: { type: "not_found", message: "record not found" } };
    const [{ name: label, type, data, ttl }] = added.records;
    const created = add(world, zone, { name: full(label, zone), type, value: unquoted(data), ttl });
    return { status: 200, body: { records: [shown(created)] } };
  },
};

export const PAGED_DIALECTS = { cloudflare, digitalocean, dnsimple, linode, vultr, scaleway };
