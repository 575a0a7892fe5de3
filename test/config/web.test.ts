import { describe, expect, test } from "vitest";
import { configFile, estate } from "./configFile.ts";

async function webOf(section: object): Promise<unknown> {
  await using file = await configFile(estate(undefined, `web: ${JSON.stringify(section)}\n`));
  const result = await file.load();
  return result.ok ? result.config.web : result.problems.map(({ message }) => message).join("\n");
}

describe("the web role", () => {
  test("is on, on loopback, at the usual port or the next free one", async () => {
    await using file = await configFile(estate());
    expect((await file.config()).web).toEqual({
      enabled: true,
      host: "127.0.0.1",
      port: null,
      url: null,
      tls: null,
      metrics: { withoutToken: false },
      httpreq: new Map(),
    });
  });

  test.each(["0.0.0.0", "::", "192.0.2.1", "renewd.example.org"])(
    "is refused at %s in clear text, unless the configuration says so aloud",
    async (host) => {
      expect(await webOf({ host })).toContain("is reachable from other machines: set `web.tls`");
      expect(await webOf({ host, insecure: true })).toMatchObject({ host });
      expect(await webOf({ host, tls: { certificate: "web.pem", key: "web.key" } })).toMatchObject({
        tls: { certificate: expect.stringMatching(/^\/.*web\.pem$/) },
      });
    },
  );

  test.each(["127.0.0.1", "127.8.0.1", "::1", "localhost"])("may be served in clear text at %s", async (host) => {
    expect(await webOf({ host })).toMatchObject({ host });
  });

  test("is reached at a URL without a path", async () => {
    expect(await webOf({ url: "https://renewd.example.org/" })).toMatchObject({ url: "https://renewd.example.org" });
    expect(await webOf({ url: "https://example.org/renewd" })).toContain("must be a URL without a path");
    expect(await webOf({ url: "renewd.example.org" })).toContain("must be a URL such as");
  });
});
