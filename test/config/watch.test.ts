import { expect, test } from "vitest";
import { NOBODY } from "../../src/domain/responsibility.ts";
import { configFile, estate } from "./configFile.ts";

test("watched endpoints are completed: port, server name, who answers for them", async () => {
  await using file = await configFile(
    estate(
      undefined,
      `watch:
  partner: api.partner.example
  mail: { host: 192.0.2.25, starttls: smtp, sni: mail.example.org, minLeft: 20d, trusted: false, team: post }
  dot: { host: dns.example.org, port: 853, alpn: [dot] }
responsibility: [{ names: ["*.partner.example"], owner: anna }]`,
    ),
  );
  const { watched } = await file.config();
  const base = { origin: "configured", foundBy: [], responsibility: NOBODY } as const;
  const usual = { minLeftMs: null, trusted: true };
  expect(watched).toEqual([
    {
      ...base,
      ...{ key: "partner", expects: usual, responsibility: { ...NOBODY, owner: "anna" } },
      endpoint: { host: "api.partner.example", port: 443, sni: "api.partner.example", target: null },
    },
    {
      ...base,
      ...{ key: "mail", expects: { minLeftMs: 20 * 86_400_000, trusted: false } },
      responsibility: { ...NOBODY, team: "post" },
      endpoint: { host: "192.0.2.25", port: 25, sni: "mail.example.org", target: null, starttls: "smtp" },
    },
    {
      ...base,
      ...{ key: "dot", expects: usual },
      endpoint: { host: "dns.example.org", port: 853, sni: "dns.example.org", target: null, alpn: ["dot"] },
    },
  ]);
});

test("a certificate of wildcards alone is asked for by a name that they cover", async () => {
  await using file = await configFile(estate('  a: { names: ["*.example.org"], solver: dns, endpoints: [192.0.2.1] }'));
  expect((await file.config()).certificates[0]?.endpoints[0]?.sni).toBe("renewd-probe.example.org");
});
