import { describe, expect, it } from "vitest";
import { toRenewalError } from "../../../../src/domain/errors.ts";
import { route53 } from "../../../../src/solvers/dns/providers/route53.ts";
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
