// Several networks must see a certificate: each of its endpoints counts once for each of them.
import { expect, test } from "vitest";
import { configFile, estate } from "./configFile.ts";

const CERTIFICATE = `  a:
    names: [www.example.org]
    endpoints:
      - www.example.org
      - { host: 10.0.0.5, sni: www.example.org, vantages: [office] }`;

test("an endpoint is dialled from all vantages, or from those that it names; watched ones as well", async () => {
  await using file = await configFile(
    estate(CERTIFICATE, "vantages: [office, internet]\nvantage: internet\nwatch: { partner: api.partner.example }"),
  );
  const { certificates, watched, vantages, vantage } = await file.config();
  expect({ vantages, vantage }).toEqual({ vantages: ["office", "internet"], vantage: "internet" });
  const seen = certificates[0]?.endpoints.map(({ host, vantage: from }) => [host, from]);
  expect(seen).toEqual([
    ["www.example.org", "office"],
    ["www.example.org", "internet"],
    ["10.0.0.5", "office"],
  ]);
  expect(watched.map(({ key, endpoint }) => [key, endpoint.vantage])).toEqual([
    ["partner from office", "office"],
    ["partner from internet", "internet"],
  ]);
});

test("without vantages nothing is different: no endpoint has one", async () => {
  await using file = await configFile(estate("  a: { names: [www.example.org], endpoints: [www.example.org] }"));
  const { certificates, vantages, vantage } = await file.config();
  expect({ vantages, vantage }).toEqual({ vantages: [], vantage: null });
  expect(certificates[0]?.endpoints).toEqual([
    { host: "www.example.org", port: 443, sni: "www.example.org", target: null },
  ]);
});

test("names that are not listed, and endpoints listed twice, are mistakes with their places", async () => {
  await using file = await configFile(
    estate(
      `${CERTIFICATE.replace("[office]", "[ofice]")}
      - { host: www.example.org, vantages: [office] }`,
      "vantages: [office, internet]\nvantage: home\nwatch: { p: { host: p.example, vantages: [intranet] } }",
    ),
  );
  expect(await file.problems()).toEqual(
    expect.arrayContaining([
      expect.stringContaining('"home" is not listed under `vantages`'),
      expect.stringContaining('"ofice" is not listed under `vantages`, did you mean "office"?'),
      expect.stringContaining('"intranet" is not listed under `vantages`'),
      expect.stringContaining("is listed twice: remove one"),
    ]),
  );
});
