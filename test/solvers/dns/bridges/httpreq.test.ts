import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { toRenewalError } from "../../../../src/domain/errors.ts";
import { httpreq } from "../../../../src/solvers/dns/bridges/httpreq.ts";
import { type ApiFake, type ApiRequest, startApiFake } from "../../../support/fakes/api.ts";
import { addValue, anyKind, removeValue } from "../providers/underTest.ts";

const NAME = "_acme-challenge.example.org";
const ZONE = { id: "example.org", name: "example.org" };
const signal = (): AbortSignal => AbortSignal.timeout(10_000);

describe("bridge httpreq", () => {
  let fake: ApiFake;
  let got: ApiRequest[];
  beforeEach(async () => {
    got = [];
    fake = await startApiFake((request) => {
      got.push(request);
      return { status: 204 };
    });
  });
  afterEach(() => fake.stop());
  const make = () =>
    anyKind(httpreq).make({ endpoint: `${fake.origin}/hook/`, user: "me", password: "env:P" }, { P: "hunter2-hunter2" })
      .provider;

  it("posts full name and value below its address, as lego does", async () => {
    const provider = make();
    await addValue(provider, ZONE, NAME, "abc", signal());
    await removeValue(provider, ZONE, NAME, { value: "abc", id: null }, signal());
    expect(got.map(({ method, path, body }) => [method, path, JSON.parse(body)])).toEqual([
      ["POST", "/hook/present", { fqdn: `${NAME}.`, value: "abc" }],
      ["POST", "/hook/cleanup", { fqdn: `${NAME}.`, value: "abc" }],
    ]);
    const basic = `Basic ${Buffer.from("me:hunter2-hunter2").toString("base64")}`;
    expect(got.map(({ headers }) => [headers.authorization, headers["content-type"]])).toEqual([
      [basic, "application/json"],
      [basic, "application/json"],
    ]);
  });

  it("sends the domain and the key authorization in RAW mode, as lego does, and needs no more to clean up", async () => {
    const { txt } = anyKind(httpreq).make({ endpoint: fake.origin, mode: "raw" }, {}).provider;
    if (txt.model !== "record") return expect.unreachable("not of single records");
    expect(txt.takesKeyAuthorization).toBe(true);
    const place = { name: NAME, ttlS: 60, keyAuthorization: "token-1.thumbprint" };
    const id = await txt.create(ZONE, place, "abc", signal());
    await txt.remove(ZONE, { name: NAME, ttlS: 60 }, { id, value: "abc" }, signal());
    const message = { domain: "example.org", token: "token-1", keyAuth: "token-1.thumbprint" };
    expect(got.map(({ path, body, headers }) => [path, JSON.parse(body), headers.authorization])).toEqual([
      ["/present", message, undefined],
      ["/cleanup", message, undefined],
    ]);
  });

  it("says in RAW mode that it cannot publish where a CNAME leads to, and has nothing to remove there", async () => {
    const { txt } = anyKind(httpreq).make({ endpoint: fake.origin, mode: "raw" }, {}).provider;
    if (txt.model !== "record") return expect.unreachable("not of single records");
    const place = { name: "label.acme.example.org", ttlS: 60, keyAuthorization: "token-1.thumbprint" };
    const error = toRenewalError(await txt.create(ZONE, place, "abc", signal()).catch((thrown: unknown) => thrown));
    expect([error.code, error.message]).toEqual(["dns.refused", expect.stringContaining("follow: never")]);
    await txt.remove(ZONE, place, { id: "token-1.thumbprint", value: "abc" }, signal());
    expect(got).toEqual([]);
  });

  it.each([
    [401, "dns.credentials"],
    [422, "dns.refused"],
    [429, "dns.rateLimited"],
    [503, "dns.unreachable"],
  ])("takes %i for %s, and quotes the answer without the password", async (status, code) => {
    fake.disturbAlways("POST", { status, body: "no: hunter2-hunter2" });
    const error = toRenewalError(
      await addValue(make(), ZONE, NAME, "abc", signal()).catch((thrown: unknown) => thrown),
    );
    expect([error.code, error.message]).toEqual([
      code,
      `httpreq (solver mine): POST /present answered ${status}: no: [secret]`,
    ]);
  });
});
