import { once } from "node:events";
import { createServer } from "node:http";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { RenewalError, toRenewalError } from "../../../../src/domain/errors.ts";
import { acmeDns } from "../../../../src/solvers/dns/providers/acmeDns.ts";
import { akamai } from "../../../../src/solvers/dns/providers/akamai.ts";
import { cloudflare } from "../../../../src/solvers/dns/providers/cloudflare.ts";
import { desec } from "../../../../src/solvers/dns/providers/desec.ts";
import { digitalocean } from "../../../../src/solvers/dns/providers/digitalocean.ts";
import { dnsimple } from "../../../../src/solvers/dns/providers/dnsimple.ts";
import { duckdns } from "../../../../src/solvers/dns/providers/duckdns.ts";
import { gandi } from "../../../../src/solvers/dns/providers/gandi.ts";
import { godaddy } from "../../../../src/solvers/dns/providers/godaddy.ts";
import { hetzner } from "../../../../src/solvers/dns/providers/hetzner.ts";
import { infomaniak } from "../../../../src/solvers/dns/providers/infomaniak.ts";
import { inwx } from "../../../../src/solvers/dns/providers/inwx.ts";
import { ionos } from "../../../../src/solvers/dns/providers/ionos.ts";
import { linode } from "../../../../src/solvers/dns/providers/linode.ts";
import { namecheap } from "../../../../src/solvers/dns/providers/namecheap.ts";
import { netcup } from "../../../../src/solvers/dns/providers/netcup.ts";
import { netlify } from "../../../../src/solvers/dns/providers/netlify.ts";
import { ns1 } from "../../../../src/solvers/dns/providers/ns1.ts";
import { ovh } from "../../../../src/solvers/dns/providers/ovh.ts";
import { porkbun } from "../../../../src/solvers/dns/providers/porkbun.ts";
import { powerdns } from "../../../../src/solvers/dns/providers/powerdns.ts";
import { scaleway } from "../../../../src/solvers/dns/providers/scaleway.ts";
import { vultr } from "../../../../src/solvers/dns/providers/vultr.ts";
import { path } from "../../../../src/solvers/dns/rest/request.ts";
import { RECORD_DIALECTS } from "../../../support/fakes/dns/recordApis.ts";
import { RPC_DIALECTS } from "../../../support/fakes/dns/rpcApis.ts";
import { RRSET_DIALECTS } from "../../../support/fakes/dns/rrsetApis.ts";
import { acmeDns as acmeDnsApi, SIGNED_DIALECTS } from "../../../support/fakes/dns/signedApis.ts";
import { type DnsFake, startDnsFake, TOKEN, values, ZONE } from "../../../support/fakes/dns/world.ts";
import { namecheap as namecheapApi } from "../../../support/fakes/dns/zoneApis.ts";
import { addValue, against, anyKind, listed, removeValue, zoneOf } from "./underTest.ts";

const DIALECTS = {
  ...RECORD_DIALECTS,
  ...RPC_DIALECTS,
  ...RRSET_DIALECTS,
  ...SIGNED_DIALECTS,
  namecheap: namecheapApi,
};
const KINDS = [
  ...[cloudflare, digitalocean, dnsimple, linode, vultr, netlify, infomaniak].map(anyKind),
  ...[anyKind(ionos), anyKind(scaleway), anyKind(porkbun), anyKind(inwx), anyKind(netcup)],
  ...[anyKind(hetzner), anyKind(gandi), anyKind(desec), anyKind(powerdns), anyKind(ns1), anyKind(godaddy)],
  ...[anyKind(ovh), anyKind(akamai), anyKind(namecheap)],
];
const NAME = `_acme-challenge.www.${ZONE}`;
const signal = (): AbortSignal => AbortSignal.timeout(10_000);
const codeOf = (error: unknown): string => toRenewalError(error).code;

describe.each(KINDS.map((kind) => [kind.type, kind] as const))("provider %s", (type, kind) => {
  let fake: DnsFake;
  beforeEach(async () => {
    const dialect = Object.entries(DIALECTS).find(([name]) => name === type)?.[1];
    if (dialect === undefined) throw new Error(`no fake for ${type}`);
    fake = await startDnsFake(dialect);
  });
  afterEach(() => fake.stop());

  it("publishes several values at one name, and removes its own alone, twice", async () => {
    const { provider, turns } = against(kind, fake);
    const zone = await zoneOf(provider, signal());
    const first = await addValue(provider, zone, NAME, "value-of_the-first", signal());
    await addValue(provider, zone, NAME, "value-of_the-second", signal());
    expect(values(fake.world, NAME).sort()).toEqual(["value-of_the-first", "value-of_the-second"]);
    expect(await listed(provider, zone, NAME, signal())).toEqual(["value-of_the-first", "value-of_the-second"]);
    expect(await listed(provider, zone, `_acme-challenge.${ZONE}`, signal())).toEqual([]);
    const own = { value: "value-of_the-first", id: provider.txt.model === "record" ? first : null };
    await removeValue(provider, zone, NAME, own, signal());
    await removeValue(provider, zone, NAME, own, signal());
    expect(values(fake.world, NAME)).toEqual(["value-of_the-second"]);
    await removeValue(provider, zone, NAME, { value: "value-of_the-second", id: null }, signal());
    expect(values(fake.world, NAME)).toEqual([]);
    expect(fake.world.zones.flatMap(({ records }) => records).length, "other records stay").toBe(3);
    expect(turns(), "one turn before each request").toBe(fake.requests.length);
  });

  it("publishes at the zone's own name", async () => {
    const { provider } = against(kind, fake);
    const zone = await zoneOf(provider, signal());
    const id = await addValue(provider, zone, ZONE, "apex", signal());
    expect([values(fake.world, ZONE), await listed(provider, zone, ZONE, signal())]).toEqual([["apex"], ["apex"]]);
    await removeValue(provider, zone, ZONE, { value: "apex", id }, signal());
    expect(values(fake.world, ZONE)).toEqual([]);
  });

  it("says that the provider refuses the credentials, without showing them", async () => {
    const wrong = "another-Secret-that-is-wrong";
    const { provider } = against(kind, fake, wrong);
    const error = toRenewalError(await provider.zones(NAME, signal()).catch((thrown: unknown) => thrown));
    expect(error.code).toBe("dns.credentials");
    expect(error.message).not.toContain(wrong);
    expect(error.message).toContain(`${type} (solver mine)`);
  });

  it("tells a provider that is down, slow to serve or elsewhere from one that refuses", async () => {
    const { provider } = against(kind, fake);
    fake.disturbAlways(/./, { status: 503, body: "<html>down</html>", headers: { "retry-after": "120" } });
    const down = toRenewalError(await provider.zones(NAME, signal()).catch((thrown: unknown) => thrown));
    expect([down.code, (down.retryAt ?? 0) > Date.now() + 100_000]).toEqual(["dns.unreachable", true]);
    fake.calm();
    fake.disturbAlways(/./, { status: 429, body: "", headers: { "retry-after": "60" } });
    const limited = toRenewalError(await provider.zones(NAME, signal()).catch((thrown: unknown) => thrown));
    expect([limited.code, (limited.retryAt ?? 0) > Date.now() + 50_000]).toEqual(["dns.rateLimited", true]);
    fake.calm();
    fake.disturbAlways(/./, { status: 302, body: "", headers: { location: "http://127.0.0.1:9/" } });
    expect(await provider.zones(NAME, signal()).catch(codeOf)).toBe("dns.unreachable");
  });

  it("ends at once when it is cancelled", async () => {
    const { provider } = against(kind, fake);
    const { asked } = fake.fallSilent(/./);
    const cancelled = new AbortController();
    const zones = provider.zones(NAME, cancelled.signal).catch((thrown: unknown) => thrown);
    await expect.poll(asked).toBe(true);
    const reason = new Error("stop");
    cancelled.abort(reason);
    expect(await zones).toBe(reason);
  });
});

describe("documented errors", () => {
  test.each<[keyof typeof DIALECTS, { status: number; body: unknown }, string, string]>([
    [
      "cloudflare",
      { status: 400, body: { errors: [{ code: 9021, message: "Invalid TTL." }] } },
      "dns.refused",
      "Invalid TTL. (9021)",
    ],
    [
      "cloudflare",
      { status: 400, body: { errors: [{ code: 6003, message: "Invalid request headers" }] } },
      "dns.credentials",
      "6003",
    ],
    [
      "digitalocean",
      { status: 422, body: { id: "unprocessable_entity", message: "Data can't be blank" } },
      "dns.refused",
      "Data can't be blank",
    ],
    [
      "ionos",
      { status: 400, body: [{ code: "INVALID_RECORD", message: "Record is invalid" }] },
      "dns.refused",
      "Record is invalid",
    ],
    [
      "dnsimple",
      { status: 400, body: { message: "Validation failed", errors: { content: ["is too long"] } } },
      "dns.refused",
      "content is too long",
    ],
    [
      "linode",
      { status: 400, body: { errors: [{ reason: "is required", field: "target" }] } },
      "dns.refused",
      "target: is required",
    ],
    ["vultr", { status: 400, body: { error: "Invalid domain.", status: 400 } }, "dns.refused", "Invalid domain."],
    [
      "scaleway",
      { status: 403, body: { type: "permissions_denied", message: "insufficient permissions" } },
      "dns.credentials",
      "insufficient permissions",
    ],
    [
      "porkbun",
      { status: 400, body: { status: "ERROR", message: "Domain is not opted in to API access." } },
      "dns.refused",
      "not opted in",
    ],
    [
      "infomaniak",
      {
        status: 422,
        body: { result: "error", error: { code: "validation_failed", description: "Validation failed" } },
      },
      "dns.refused",
      "Validation failed (validation_failed)",
    ],
    [
      "netlify",
      { status: 422, body: { code: 422, message: "Hostname is invalid" } },
      "dns.refused",
      "Hostname is invalid",
    ],
    [
      "inwx",
      { status: 200, body: { code: 2502, msg: "Session limit exceeded; server closing connection" } },
      "dns.rateLimited",
      "Session limit exceeded",
    ],
    [
      "netcup",
      {
        status: 200,
        body: { status: "error", statuscode: 4001, shortmessage: "Api session id in invalid format", longmessage: "" },
      },
      "dns.unreachable",
      "Api session id",
    ],
    [
      "hetzner",
      { status: 423, body: { error: { code: "locked", message: "zone is locked" } } },
      "dns.busy",
      "zone is locked",
    ],
    [
      "hetzner",
      {
        status: 201,
        body: { action: { id: 1, status: "error", error: { code: "action_failed", message: "Action failed" } } },
      },
      "dns.refused",
      "Action failed",
    ],
    [
      "gandi",
      { status: 400, body: { status: "error", message: "Bad", errors: [{ description: "ttl is too low" }] } },
      "dns.refused",
      "Bad; ttl is too low",
    ],
    [
      "desec",
      { status: 400, body: [{ ttl: ["Ensure this value is greater than 3600."] }] },
      "dns.refused",
      "ttl: Ensure this value",
    ],
    ["powerdns", { status: 422, body: { error: "Zone is read-only" } }, "dns.refused", "Zone is read-only"],
    ["ns1", { status: 400, body: { message: "Input validation failed" } }, "dns.refused", "Input validation failed"],
    [
      "godaddy",
      { status: 403, body: { code: "ACCESS_DENIED", message: "Authenticated user is not allowed access" } },
      "dns.credentials",
      "not allowed access",
    ],
    [
      "namecheap",
      {
        status: 200,
        body: '<ApiResponse Status="ERROR"><Error Number="1011150">Invalid request IP: 192.0.2.10</Error></ApiResponse>',
      },
      "dns.credentials",
      "clientIp",
    ],
    [
      "namecheap",
      {
        status: 200,
        body: '<ApiResponse Status="ERROR"><Error Number="500000">Too many requests</Error></ApiResponse>',
      },
      "dns.rateLimited",
      "Too many requests",
    ],
    [
      "ovh",
      { status: 403, body: { errorCode: "NOT_GRANTED_CALL", message: "This call has not been granted" } },
      "dns.credentials",
      "has not been granted",
    ],
    [
      "akamai",
      { status: 403, body: { title: "Not authorized", status: 403, detail: "The signature does not match" } },
      "dns.credentials",
      "Not authorized: The signature",
    ],
  ])("of %s: %j", async (type, reply, code, text) => {
    const kind = KINDS.find((one) => one.type === type);
    const dialect = DIALECTS[type];
    if (kind === undefined) throw new Error(`no kind ${type}`);
    await using fake = await startDnsFake(dialect);
    const { provider } = against(kind, fake);
    const zone = await zoneOf(provider, signal());
    fake.disturbAlways(/./, reply);
    const error = toRenewalError(
      await addValue(provider, zone, NAME, "v", signal()).catch((thrown: unknown) => thrown),
    );
    expect([error.code, error.message]).toEqual([code, expect.stringContaining(text)]);
  });

  it("credentials that an answer repeats are hidden", async () => {
    await using fake = await startDnsFake(RECORD_DIALECTS.cloudflare);
    const { provider } = against(anyKind(cloudflare), fake);
    fake.disturbAlways(/./, {
      status: 400,
      body: { errors: [{ code: 1, message: `you sent Bearer ${TOKEN}, fool` }] },
    });
    const error = toRenewalError(await provider.zones(NAME, signal()).catch((thrown: unknown) => thrown));
    expect(error.message).toContain("you sent Bearer [secret], fool");
  });
});

describe("provider cloudflare", () => {
  it("names the right that a token lacks, without writing", async () => {
    await using fake = await startDnsFake(RECORD_DIALECTS.cloudflare);
    const { provider } = against(anyKind(cloudflare), fake);
    const zone = await zoneOf(provider, signal());
    expect(zone.nameServers).toEqual(["ada.ns.cloudflare.com"]);
    expect(await provider.missingRights?.({ name: NAME, zone }, signal())).toEqual([
      "The token lacks Zone › DNS › Edit for example.org.",
    ]);
    expect(fake.requests.filter((line) => !line.startsWith("GET"))).toEqual([]);
  });
});

describe("provider duckdns", () => {
  it("has one value for a subdomain, and takes it away", async () => {
    await using fake = await startDnsFake(RPC_DIALECTS.duckdns);
    fake.world.zones.push({ id: "1", name: "me.duckdns.org", records: [] });
    const { provider } = against(anyKind(duckdns), fake);
    expect(await provider.zones("_acme-challenge.www.example.org", signal())).toEqual([]);
    const zone = await zoneOf(provider, signal(), "me.duckdns.org");
    const name = "_acme-challenge.me.duckdns.org";
    await addValue(provider, zone, name, "one", signal());
    await addValue(provider, zone, name, "two", signal());
    expect(values(fake.world, name)).toEqual(["two"]);
    await removeValue(provider, zone, name, { value: "two", id: null }, signal());
    expect(values(fake.world, name)).toEqual([]);
    const wrong = against(anyKind(duckdns), fake, "wrong");
    expect(await addValue(wrong.provider, zone, name, "x", signal()).catch(codeOf)).toBe("dns.credentials");
  });
});

describe("provider acme-dns", () => {
  it("updates the one name of its account, and has nothing to remove", async () => {
    await using fake = await startDnsFake(acmeDnsApi);
    const written = {
      endpoint: fake.origin,
      user: "env:U",
      password: "env:T",
      subdomain: "sub",
      fullDomain: "sub.one.example",
    };
    const { provider } = anyKind(acmeDns).make(written, { U: "u", T: TOKEN });
    const [zone] = await provider.zones(NAME, signal());
    expect(zone).toEqual({ id: "sub.one.example", name: "sub.one.example", isAssumed: true });
    if (zone === undefined) return;
    const [one, two, three] = ["a", "b", "c"].map((letter) => letter.repeat(43));
    for (const value of [one, two, three]) await addValue(provider, zone, zone.name, value ?? "", signal());
    expect(values(fake.world, zone.name)).toEqual([two, three]);
    await removeValue(provider, zone, zone.name, { value: three ?? "", id: null }, signal());
    expect(fake.requests).toHaveLength(3);
    const wrong = anyKind(acmeDns).make(written, { U: "u", T: "wrong" }).provider;
    expect(await addValue(wrong, zone, zone.name, one ?? "", signal()).catch(codeOf)).toBe("dns.credentials");
  });
});

describe("any provider as data", () => {
  it("reads no answer longer than 8 MiB", async () => {
    const server = createServer((_request, response) => {
      response.writeHead(200);
      const chunk = Buffer.alloc(1024 * 1024, "x");
      for (let index = 0; index < 10; index++) response.write(chunk);
      response.end();
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    const address = server.address();
    const port = typeof address === "object" && address !== null ? address.port : 0;
    try {
      const { provider } = against(anyKind(cloudflare), { origin: `http://127.0.0.1:${port}` });
      expect(await provider.zones(NAME, signal()).catch(codeOf)).toBe("dns.unreachable");
    } finally {
      server.closeAllConnections();
      server.close();
    }
  });

  it("keeps a hostile name inside its place in the address", () => {
    const where = path`/domains/${"../../organization"}/TXT?name=${"a&b#c"}`;
    expect(where).toBe("/domains/..%2F..%2Forganization/TXT?name=a%26b%23c");
    expect(() => path`/domains/${".."}/records`).toThrow(RenewalError);
  });

  it.each(KINDS.map((kind) => [kind.type, kind.docs]))("%s names the vendor's documentation", (_, docs) => {
    expect(URL.canParse(docs)).toBe(true);
  });
});
