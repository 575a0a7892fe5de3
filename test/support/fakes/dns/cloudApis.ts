// Google Cloud DNS (cloud.google.com/dns/docs/reference/rest/v1) and Azure DNS (learn.microsoft.com/rest/api/dns) under
// their real host names, with the token services in front of them.
import { generateKeyPairSync } from "node:crypto";
import { type ApiFake, type ApiReply, type ApiRequest, startApiFake } from "../api.ts";
import { standInForVendor } from "../vendorHosts.ts";
import { add, type FakeZone, full, json, newWorld, parts, unquoted, type World } from "./world.ts";

export interface CloudFake extends ApiFake {
  readonly world: World;
}

const at = (zone: FakeZone, name: string) => zone.records.filter((one) => one.type === "TXT" && one.name === name);

async function start(
  hosts: readonly string[],
  answer: (request: ApiRequest, world: World) => ApiReply | undefined,
): Promise<CloudFake> {
  const world = newWorld();
  const api = await startApiFake(
    (request) => answer(request, world) ?? { status: 500, body: `no ${request.method} ${request.path}` },
    { tls: hosts },
  );
  const vendor = await standInForVendor(api);
  const stop = async (): Promise<void> => {
    await vendor[Symbol.asyncDispose]();
    await api.stop();
  };
  return { ...api, world, stop, [Symbol.asyncDispose]: stop };
}

export const GOOGLE_KEY = JSON.stringify({
  type: "service_account",
  client_email: "renewd@my-project-123.iam.gserviceaccount.com",
  private_key: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey.export({ type: "pkcs8", format: "pem" }),
});

export function startGoogleDns(): Promise<CloudFake> {
  return start(["dns.googleapis.com", "oauth2.googleapis.com", "www.googleapis.com"], ({ host, ...request }, world) => {
    const { method, path, query, headers } = request;
    if (path.endsWith("/token"))
      return { status: 200, body: { access_token: "t0ken", expires_in: 3600, token_type: "Bearer" } };
    const fault = (code: number, message: string): ApiReply => ({
      status: code,
      body: { error: { code, message, errors: [{ message, reason: "x" }] } },
    });
    if (!/^Bearer ./.test(String(headers.authorization))) return fault(401, "Request had invalid credentials.");
    const [, , , project, zones, id, kind] = parts(path);
    if (project !== "my-project-123") return fault(403, `The caller does not have permission on ${project}`);
    if (zones !== "managedZones") return undefined;
    if (id === undefined) {
      const shown = world.zones.map((zone) => ({
        name: `zone-${zone.id}`,
        dnsName: `${zone.name}.`,
        visibility: zone.name === "two.example" ? "private" : "public",
        nameServers: ["ns-cloud-a1.googledomains.com."],
      }));
      return { status: 200, body: { managedZones: shown } };
    }
    const zone = world.zones.find((one) => `zone-${one.id}` === id);
    if (zone === undefined) return fault(404, `The 'parameters.managedZone' resource named '${id}' does not exist.`);
    const rrset = (name: string) => {
      const found = at(zone, name);
      const set = { name: `${name}.`, type: "TXT", ttl: found[0]?.ttl, rrdatas: found.map((one) => `"${one.value}"`) };
      return found.length === 0 ? [] : [set];
    };
    if (kind === "rrsets")
      return { status: 200, body: { rrsets: rrset((query.get("name") ?? "").replace(/\.$/, "")) } };
    if (method === "GET") return { status: 200, body: { id: "7", status: "done" } };
    const { additions = [], deletions = [] } = json({ host, ...request });
    for (const { name, rrdatas, ttl } of Object.values(Object(deletions)).map((one) => Object(one))) {
      const plain = String(name).replace(/\.$/, "");
      const [present] = rrset(plain);
      if (present === undefined || present.ttl !== ttl || present.rrdatas.join() !== rrdatas.join())
        return fault(412, "Precondition not met for 'entity.change.deletions[0]'");
      zone.records = zone.records.filter((one) => !at(zone, plain).includes(one));
    }
    for (const { name, rrdatas, ttl } of Object.values(Object(additions)).map((one) => Object(one)))
      for (const value of rrdatas)
        add(world, zone, { name: String(name).replace(/\.$/, ""), type: "TXT", value: unquoted(value), ttl });
    return { status: 200, body: { id: "7", status: "pending" } };
  });
}

export const AZURE = {
  subscription: "11111111-1111-1111-1111-111111111111",
  tenantId: "22222222-2222-2222-2222-222222222222",
  clientId: "33333333-3333-3333-3333-333333333333",
} as const;

export function startAzureDns(secret: string): Promise<CloudFake> {
  const login = "login.microsoftonline.com";
  return start(["management.azure.com", login], (request, world) => {
    const { method, path, headers, body } = request;
    const base = `https://${login}/${AZURE.tenantId}`;
    if (path.endsWith("/.well-known/openid-configuration"))
      return {
        status: 200,
        body: {
          issuer: `${base}/v2.0`,
          token_endpoint: `${base}/oauth2/v2.0/token`,
          authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
          jwks_uri: `${base}/discovery/v2.0/keys`,
        },
      };
    if (path.endsWith("/discovery/instance"))
      return {
        status: 200,
        body: {
          tenant_discovery_endpoint: `${base}/v2.0/.well-known/openid-configuration`,
          metadata: [{ preferred_network: login, preferred_cache: login, aliases: [login] }],
        },
      };
    if (path.endsWith("/oauth2/v2.0/token"))
      return new URLSearchParams(body).get("client_secret") === secret
        ? { status: 200, body: { access_token: "t0ken", expires_in: 3600, token_type: "Bearer" } }
        : { status: 401, body: { error: "invalid_client", error_description: "AADSTS7000215: Invalid client secret" } };
    const fault = (status: number, code: string, message: string): ApiReply => ({
      status,
      body: { code, message, error: { code, message } },
    });
    if (headers.authorization !== "Bearer t0ken") return fault(401, "AuthenticationFailed", "no token");
    const group = `/subscriptions/${AZURE.subscription}/resourceGroups/dns/providers/Microsoft.Network/dnszones`;
    if (path.endsWith("/dnszones"))
      return {
        status: 200,
        body: {
          value: world.zones.map((zone) => ({
            id: `${group}/${zone.name}`,
            name: zone.name,
            properties: { zoneType: "Public", nameServers: ["ns1-01.azure-dns.com."] },
          })),
        },
      };
    const [, , resourceGroup, , , , zoneName, type, label = ""] =
      parts(path).slice(1).length > 0 ? ["", ...parts(path)].slice(1) : [];
    const zone = world.zones.find((one) => one.name === zoneName || one.name === parts(path)[7]);
    if (zone === undefined || resourceGroup === undefined) return fault(404, "ResourceNotFound", "no such zone");
    const name = full(parts(path)[9] ?? label, zone);
    const found = at(zone, name);
    const etag = `e${found.map(({ value }) => value).join("-")}`;
    const shown = () => ({
      name: type,
      etag,
      properties: { TTL: found[0]?.ttl, TXTRecords: found.map((one) => ({ value: [one.value] })) },
    });
    if (method === "GET")
      return found.length === 0 ? fault(404, "NotFound", "no such set") : { status: 200, body: shown() };
    const isStale = headers["if-match"] !== undefined && headers["if-match"] !== etag;
    if (isStale || (headers["if-none-match"] === "*" && found.length > 0))
      return fault(412, "PreconditionFailed", "The condition was not met");
    zone.records = zone.records.filter((one) => !found.includes(one));
    if (method === "DELETE") return { status: 200, body: {} };
    const { properties } = json(request);
    const { TTL, TXTRecords } = Object(properties);
    for (const { value } of TXTRecords) add(world, zone, { name, type: "TXT", value: value.join(""), ttl: TTL });
    return { status: 201, body: { name, etag: "new", properties } };
  });
}
