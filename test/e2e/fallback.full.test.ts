import { expect, it } from "vitest";
import { openContext, withoutQueue } from "../../src/compose/index.ts";
import { createLog } from "../../src/log.ts";
import { configure } from "../../src/renewal/plan/configure.ts";
import { planDue } from "../../src/renewal/plan/plan.ts";
import { issue } from "../../src/renewal/steps/issue.ts";
import { startHttp01Responder } from "../../src/web/http01.ts";
import { startSystem } from "../support/system/system.ts";
import { until } from "../support/until.ts";

const NO_SIGNAL = new AbortController().signal;

it("a CA that cannot be reached is passed over for the next that can do it, and history says why", {
  timeout: 60_000,
}, async () => {
  await using system = await startSystem({
    targets: { web: { type: "files", directory: "/nonexistent/web", bundle: "{certificate}.pem" } },
    certificates: {
      www: { names: ["www.example.org"], issuer: "ca", targets: ["web"], endpoints: ["www.example.org"] },
    },
  });
  const { ca, pebble, store } = system;
  const agreed = { trust: "ca.pem", termsOfServiceAgreed: true };
  await system.configure({
    sections: {
      issuers: {
        dead: { directory: "https://127.0.0.1:1/dir", ...agreed },
        picky: { directory: ca.directory, ...agreed, keyTypes: ["rsa-4096"] },
        ca: { directory: ca.directory, ...agreed },
      },
    },
    certificates: {
      www: {
        names: ["www.example.org"],
        issuers: ["dead", "picky", "ca"],
        targets: ["web"],
        endpoints: ["www.example.org"],
      },
    },
  });
  await using app = await openContext(system.configFile, { log: createLog({ level: "error", pretty: false }) });
  const context = withoutQueue(app.context);
  await configure(context, NO_SIGNAL);
  const responder = await startHttp01Responder({
    host: "127.0.0.1",
    port: pebble.httpPort,
    challenges: store.challenges,
  });
  try {
    const [renewal] = await planDue(context, NO_SIGNAL);
    const version = await until("a version", async () => {
      await issue(context, renewal?.id ?? "", NO_SIGNAL);
      return store.versions.latest("www");
    });
    expect(version.issuer).toBe("ca");
    const events = await store.events.list({
      certificate: "www",
      types: ["issue.failed", "issue.fallback", "issue.fallbackRefused"],
      limit: 10,
    });
    expect(events.map(({ type, detail }) => [type, detail.to ?? detail.code, detail.why ?? null])).toEqual([
      ["issue.failed", "acme.connection", null],
      ["issue.failed", "acme.connection", null],
      ["issue.fallbackRefused", "picky", "it certifies no ecdsa-p256 keys"],
      ["issue.fallback", "ca", "2 attempts failed (acme.connection)"],
    ]);
    expect(system.orders()).toBe(1);
  } finally {
    await responder.close();
  }
});
