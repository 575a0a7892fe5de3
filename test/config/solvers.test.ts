import { describe, expect, it } from "vitest";
import { configFile, estate } from "./configFile.ts";

const withShop = (certificates: string): string =>
  estate(certificates).replace("solvers:", "solvers:\n  shop: { type: http-01, zones: [Shop.Example] }");

describe("a list of solvers", () => {
  it("answers for each name by one whose zones fit", async () => {
    await using file = await configFile(
      withShop(
        '  a: { names: [a.example, "*.shop.example", x.shop.example], solver: [shop, dns], endpoints: [a.example] }',
      ),
    );
    const config = await file.config();
    expect(config.certificates[0]?.solvers).toEqual(["shop", "dns"]);
    expect(config.solvers.get("shop")?.zones).toEqual(["shop.example"]);
  });

  it.each([
    [
      "a name in no zone of its solvers",
      "  a: { names: [a.example], solver: shop, endpoints: [a.example] }",
      '13:16 certificates.a.names[0]: "a.example" is in no zone of its solvers ("shop": shop.example): list a solver that owns it',
    ],
    [
      "a wildcard without a dns-01 solver",
      '  a: { names: ["*.shop.example"], solver: [shop, web], endpoints: [{ host: a.example, sni: b.shop.example }] }',
      '13:16 certificates.a.names[0]: the wildcard "*.shop.example" needs a dns-01 solver, but solver "shop" answers http-01, solver "web" answers http-01',
    ],
    [
      "a solver that is not defined",
      "  a: { names: [a.example], solver: [web, shpo], endpoints: [a.example] }",
      '13:42 certificates.a.solver[1]: "shpo" is not defined under `solvers`, did you mean "shop"?',
    ],
    [
      "a solver listed twice",
      "  a: { names: [a.example], solver: [web, web], endpoints: [a.example] }",
      '13:42 certificates.a.solver[1]: "web" is listed twice: remove one',
    ],
  ])("is refused with %s", async (_what, certificates, problem) => {
    await using file = await configFile(withShop(certificates));
    expect(await file.problems()).toEqual([problem]);
  });

  it("of one is the same definition as its name alone, so that nothing is ordered again", async () => {
    const digest = async (solver: string): Promise<string | undefined> => {
      await using file = await configFile(
        estate(`  a: { names: [a.example], solver: ${solver}, endpoints: [a.example] }`),
      );
      return (await file.config()).certificates[0]?.digest;
    };
    expect(await digest("[web]")).toBe(await digest("web"));
    expect(await digest("[web, dns]")).not.toBe(await digest("web"));
  });
});

describe("the options of a DNS solver", () => {
  const withDns = (options: string): string =>
    estate().replace(
      "solvers:",
      `solvers:\n  primary: { type: rfc2136, server: "192.0.2.1", keyName: k, secret: "env:KEY", ${options} }`,
    );

  it.each([
    ["resolvers: [dns.example]", "resolvers[0]: give an IP address"],
    ["propagation: { timeout: 1d }", "propagation.timeout: give a number and its unit"],
    ["propagation: { check: maybe }", "propagation.check: must be one of authoritative, resolvers, none"],
    ["ttl: -1", "ttl: must be at least 0"],
    ["zones: [a b]", "zones[0]: must be a DNS name"],
  ])("%s is refused with its place", async (options, problem) => {
    await using file = await configFile(withDns(options));
    expect(await file.problems({ KEY: "c2VjcmV0" })).toEqual([expect.stringContaining(`solvers.primary.${problem}`)]);
  });

  it("are read whole", async () => {
    await using file = await configFile(
      withDns(
        'follow: never, ttl: 120, resolvers: ["192.0.2.53", "https://dns.example/q"], propagation: { delay: 5s }',
      ),
    );
    expect((await file.config({ KEY: "c2VjcmV0" })).solvers.get("primary")?.options).toMatchObject({
      ...{ follow: "never", ttl: 120, propagation: { delay: 5_000 }, server: { address: "192.0.2.1", port: 53 } },
      resolvers: [
        { kind: "dns", address: "192.0.2.53", port: 53 },
        { kind: "https", url: "https://dns.example/q" },
      ],
    });
  });
});

describe("clients of web.httpreq", () => {
  const withClient = (client: string): string =>
    `${estate("  a: { names: [a.example], endpoints: [a.example] }")}\nweb: { httpreq: { lego: ${client} } }\n`;

  it("are read with where they may publish", async () => {
    await using file = await configFile(
      withClient(
        "{ password: env:P, solver: dns, zones: [Mail.Example, bücher.example], delegated: [x.acme.example] }",
      ),
    );
    expect((await file.config()).web.httpreq.get("lego")).toEqual({
      ...{ password: { kind: "env", at: "P" }, solver: "dns" },
      ...{ zones: ["mail.example", "xn--bcher-kva.example"], delegated: ["x.acme.example"] },
    });
  });

  it.each([
    [
      "a solver that is not defined",
      "{ password: env:P, solver: dsn, zones: [a.example] }",
      'web.httpreq.lego.solver: "dsn" is not defined under `solvers`, did you mean "dns"?',
    ],
    [
      "a solver that does not publish in DNS",
      "{ password: env:P, solver: web, zones: [a.example] }",
      'web.httpreq.lego.solver: solver "web" answers http-01: name one for dns-01',
    ],
    [
      "a password in the file",
      "{ password: hunter2, solver: dns, zones: [a.example] }",
      "web.httpreq.lego.password: must refer to a secret, not hold it: write env:NAME or file:/path",
    ],
    ["no zone", "{ password: env:P, solver: dns, zones: [] }", "web.httpreq.lego.zones: "],
  ])("are refused with %s", async (_what, client, problem) => {
    await using file = await configFile(withClient(client));
    expect(await file.problems()).toEqual([expect.stringContaining(problem)]);
  });
});
