import { describe, expect, it } from "vitest";
import { toRenewalError } from "../../../../src/domain/errors.ts";
import { azureDns } from "../../../../src/solvers/dns/providers/azureDns.ts";
import { googleCloudDns } from "../../../../src/solvers/dns/providers/googleCloudDns.ts";
import { route53 } from "../../../../src/solvers/dns/providers/route53.ts";
import {
  AZURE,
  type CloudFake,
  GOOGLE_KEY,
  startAzureDns,
  startGoogleDns,
} from "../../../support/fakes/dns/cloudApis.ts";
import { ACCESS_KEY, route53Dialect } from "../../../support/fakes/dns/route53.ts";
import { startDnsFake, values, ZONE } from "../../../support/fakes/dns/world.ts";
import { addValue, anyKind, listed, type ProviderUnderTest, removeValue, zoneOf } from "./underTest.ts";

const NAME = `_acme-challenge.www.${ZONE}`;
const signal = (): AbortSignal => AbortSignal.timeout(30_000);
const failure = async (work: Promise<unknown>) => toRenewalError(await work.catch((thrown: unknown) => thrown));

describe("provider route53", () => {
  const rules = { inSync: false };
  const make = (origin: string, key = ACCESS_KEY): ProviderUnderTest =>
    anyKind(route53).make(
      { accessKeyId: "env:K", secretAccessKey: "env:S", endpoint: origin },
      { K: key, S: "secret-access-key" },
    );

  it("publishes several values at one name, removes its own alone, and asks whether all servers have it", async () => {
    await using fake = await startDnsFake(route53Dialect(rules));
    const { provider } = make(fake.origin);
    const zone = await zoneOf(provider, signal());
    expect(zone).toMatchObject({
      id: "103",
      isPrivate: false,
      nameServers: ["ns-1.awsdns-01.org", "ns-2.awsdns-02.com"],
    });
    const zones = await provider.zones(NAME, signal());
    expect(zones.map(({ name, isPrivate }) => [name, isPrivate])).toEqual([
      ["one.example", false],
      ["two.example", true],
      [ZONE, false],
    ]);
    expect(await listed(provider, zone, NAME, signal())).toEqual([]);
    const change = await addValue(provider, zone, NAME, "first", signal());
    await addValue(provider, zone, NAME, "second", signal());
    expect(values(fake.world, NAME)).toEqual(["first", "second"]);
    expect(await listed(provider, zone, NAME, signal())).toEqual(["first", "second"]);
    expect(await provider.status?.(zone, change ?? "", signal())).toBe("pending");
    rules.inSync = true;
    expect(await provider.status?.(zone, change ?? "", signal())).toBe("done");
    await removeValue(provider, zone, NAME, { value: "first", id: null }, signal());
    expect(values(fake.world, NAME)).toEqual(["second"]);
    await removeValue(provider, zone, NAME, { value: "second", id: null }, signal());
    await removeValue(provider, zone, NAME, { value: "second", id: null }, signal());
    expect(values(fake.world, NAME)).toEqual([]);
  });

  it("says what Amazon refused, without the keys", async () => {
    await using fake = await startDnsFake(route53Dialect(rules));
    const wrong = await failure(make(fake.origin, "AKIAWRONG").provider.zones(NAME, signal()));
    expect([wrong.code, wrong.message]).toEqual(["dns.credentials", expect.stringContaining("InvalidClientTokenId")]);
    const { provider } = make(fake.origin);
    const zone = await zoneOf(provider, signal());
    const throttled =
      "<ErrorResponse><Error><Code>Throttling</Code><Message>Rate exceeded</Message></Error></ErrorResponse>";
    fake.disturbAlways(/./, { status: 400, body: throttled, headers: { "content-type": "text/xml" } });
    expect((await failure(addValue(provider, zone, NAME, "v", signal()))).code).toBe("dns.rateLimited");
    fake.calm();
    fake.disturbAlways(/./, { status: 503, body: "" });
    expect((await failure(addValue(provider, zone, NAME, "v", signal()))).code).toBe("dns.unreachable");
    fake.calm();
    const gone = { id: "999", name: ZONE };
    const missing = await failure(addValue(provider, gone, NAME, "v", signal()));
    expect([missing.code, missing.message]).toEqual(["dns.refused", expect.stringContaining("NoSuchHostedZone")]);
  });

  it("ends at once when it is cancelled", async () => {
    await using fake = await startDnsFake(route53Dialect(rules));
    const { asked } = fake.fallSilent(/./);
    const cancelled = new AbortController();
    const zones = make(fake.origin)
      .provider.zones(NAME, cancelled.signal)
      .catch((thrown: unknown) => thrown);
    await expect.poll(asked, { timeout: 10_000 }).toBe(true);
    const reason = new Error("stop");
    cancelled.abort(reason);
    expect(await zones).toBe(reason);
  });
});

async function publishAndRemove(fake: CloudFake, { provider }: ProviderUnderTest): Promise<void> {
  const zone = await zoneOf(provider, signal());
  expect(await listed(provider, zone, NAME, signal())).toEqual([]);
  const change = await addValue(provider, zone, NAME, "first", signal());
  await addValue(provider, zone, NAME, "second", signal());
  expect(values(fake.world, NAME)).toEqual(["first", "second"]);
  expect(await listed(provider, zone, NAME, signal())).toEqual(["first", "second"]);
  if (provider.status !== undefined) expect(await provider.status(zone, change ?? "", signal())).toBe("done");
  await removeValue(provider, zone, NAME, { value: "first", id: null }, signal());
  expect(values(fake.world, NAME)).toEqual(["second"]);
  await removeValue(provider, zone, NAME, { value: "second", id: null }, signal());
  expect(values(fake.world, NAME)).toEqual([]);
}

describe("provider google-cloud-dns", () => {
  const make = (project = "my-project-123"): ProviderUnderTest =>
    anyKind(googleCloudDns).make({ project, credentials: "env:K" }, { K: GOOGLE_KEY });

  it("publishes several values at one name, and removes its own alone", async () => {
    await using fake = await startGoogleDns();
    await publishAndRemove(fake, make());
    const zones = await make().provider.zones(NAME, signal());
    expect(zones.map(({ name, isPrivate }) => [name, isPrivate])).toContainEqual(["two.example", true]);
  });

  it("says what Google refused", async () => {
    await using fake = await startGoogleDns();
    const error = await failure(make("other-project").provider.zones(NAME, signal()));
    expect([error.code, error.message]).toEqual([
      "dns.credentials",
      expect.stringContaining("does not have permission"),
    ]);
    fake.disturbAlways(/managedZones/, { status: 503, body: "" });
    expect((await failure(make().provider.zones(NAME, signal()))).code).toBe("dns.unreachable");
  });
});

describe("provider azure-dns", () => {
  const SECRET = "azure~client~secret";
  const make = (secret = SECRET): ProviderUnderTest =>
    anyKind(azureDns).make({ ...AZURE, clientSecret: "env:S" }, { S: secret });

  it("publishes several values at one name, and removes its own alone", async () => {
    await using fake = await startAzureDns(SECRET);
    await publishAndRemove(fake, make());
  });

  it("says what Azure refused, without the client secret", async () => {
    await using fake = await startAzureDns(SECRET);
    const wrong = await failure(make("azure~wrong~secret").provider.zones(NAME, signal()));
    expect([wrong.code, wrong.message]).toEqual(["dns.credentials", expect.not.stringContaining("azure~wrong~secret")]);
    fake.disturbAlways(/dnszones/, { status: 429, body: "{}", headers: { "retry-after": "60" } });
    const limited = await failure(make().provider.zones(NAME, signal()));
    expect([limited.code, (limited.retryAt ?? 0) > Date.now() + 50_000]).toEqual(["dns.rateLimited", true]);
  });
});
