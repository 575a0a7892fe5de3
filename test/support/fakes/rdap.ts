// The registries cannot be asked from here. This fake enforces what RFC 9083 says of a domain object (§5.3, events of
// §4.5), RFC 7480 of requests (§4.2: the Accept header, §5.3: 404 for what there is not) and RFC 9224 of the bootstrap
// file.
import { type ApiFake, startApiFake } from "./api.ts";

export interface RdapFake extends ApiFake {
  readonly bootstrap: string;
  /** By domain; `expires` null: the registry does not say. */
  readonly domains: Map<string, { readonly registered: string; expires: string | null; status?: readonly string[] }>;
}

export async function startRdapFake(): Promise<RdapFake> {
  const domains: RdapFake["domains"] = new Map();
  const api: ApiFake = await startApiFake(({ method, path, headers }) => {
    if (method !== "GET") return { status: 405 };
    if (path === "/dns.json") {
      // The longest entry counts, so the first is not for example.org.
      const services = [
        [["org"], [`${api.origin}/wrong/`]],
        [["example.org", "net"], [`${api.origin}/rdap/`]],
      ];
      return { status: 200, body: { version: "1.0", publication: "2026-01-01T00:00:00Z", services } };
    }
    if (headers.accept !== "application/rdap+json") return { status: 415 };
    const [, name = ""] = /^\/rdap\/domain\/([^/]+)$/.exec(path) ?? [];
    const found = domains.get(name);
    if (found === undefined) return { status: 404, body: { errorCode: 404, title: "Not found" } };
    const events = [
      { eventAction: "registration", eventDate: found.registered },
      ...(found.expires === null ? [] : [{ eventAction: "expiration", eventDate: found.expires }]),
    ];
    const said = { ldhName: name, status: found.status ?? ["active"], events };
    return { status: 200, body: { rdapConformance: ["rdap_level_0"], objectClassName: "domain", ...said } };
  });
  return { ...api, bootstrap: `${api.origin}/dns.json`, domains };
}
