/**
 * Takes a picture of every page into docs/images, from an estate with one of every kind of trouble: real pages of a
 * real database in real Chromium, nothing painted. `node scripts/screenshots.ts`
 */
import { once } from "node:events";
import { mkdir } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";
import { startReplacement } from "../src/renewal/plan/replacement.ts";
import { nodeListener } from "../src/web/nodeListener.ts";
import { createRoot } from "../test/support/ca/pki.ts";
import { sighting } from "../test/support/model/facts.ts";
import { beatAll, seedFleet } from "../test/support/system/seedFleet.ts";
import { createWebEstate } from "../test/support/system/webEstate.ts";
import { DESK, PHONE, startBrowser } from "../test/support/web/browser.ts";

const DIRECTORY = join(import.meta.dirname, "..", "docs", "images");

const NAMES = [
  ...["shop", "pay", "mail", "login", "api", "www", "cdn", "status", "docs", "blog", "vpn", "git", "ci", "wiki"],
  ...["chat", "imap", "ldap", "auth", "img", "media", "search", "tracker", "billing", "hr", "intranet", "partner"],
  ...["edge-eu", "edge-us", "edge-ap", "mqtt", "proxy", "files", "forms", "events", "jobs", "legal", "press", "lab"],
];

const PAGES: readonly (readonly [string, string])[] = [
  ["now", "/"],
  ["certificates", "/certificates"],
  ["certificate", "/certificates/cdn"],
  ["history", "/history"],
  ["calendar", "/calendar"],
  ["endpoints", "/endpoints"],
  ["inventory", "/inventory"],
  ["targets", "/targets"],
  ["issuers", "/issuers"],
  ["replacements", "/replacements"],
  ["alerts", "/alerts"],
  ["report", "/report"],
  ["target", "/targets/edge"],
  ["endpoint", `/endpoints/api/${encodeURIComponent("api.example.org@192.0.2.1:443")}`],
  ["issuer", "/issuers/letsencrypt"],
  ["channel", "/alerts/channels/oncall"],
  ["processes", "/processes"],
  ["action", "/actions/renew?certificate=shop&certificate=www&certificate=wiki"],
];

await using estate = await createWebEstate({
  names: NAMES,
  planned: false,
  sections: {
    issuers: {
      letsencrypt: { directory: "https://acme-v02.api.letsencrypt.org/directory", termsOfServiceAgreed: true },
      internal: { directory: "https://ca.example.org/acme/directory", termsOfServiceAgreed: true },
    },
    defaults: { issuer: "letsencrypt", solver: "http", targets: ["lb", "edge"] },
    notifications: {
      oncall: { type: "ntfy", url: "https://ntfy.example.org", topic: "env:TOPIC", from: "page" },
      team: { type: "command", command: ["/usr/local/bin/notify-team"] },
    },
    responsibility: [
      {
        ...{ certificates: ["shop", "pay", "billing"], owner: "alice@example.org", team: "shop" },
        ...{ criticality: "critical", labels: { stage: "production" }, runbook: "https://wiki.example.org/tls" },
      },
      { certificates: ["edge-*", "cdn", "api"], team: "network", criticality: "high" },
      { certificates: ["*"], team: "platform" },
      { targets: ["edge"], owner: "bob@example.org", team: "network" },
    ],
  },
});
const { store, web } = estate;
const intermediate = await (await createRoot({ name: "Example Root" })).intermediate({ name: "Example CA R11" });
const leaf = await intermediate.issue({ names: ["cdn.example.org"], notAfter: new Date(Date.now() + 28 * 86_400_000) });
await seedFleet(store, web.estate().certificates, { now: Date.now(), chain: [leaf.certPem, intermediate.certPem] });
await replaceSome();
await findSome();
await mkdir(DIRECTORY, { recursive: true });

const server = createServer(nodeListener(estate.app, estate.web.readers)).listen(0, "127.0.0.1");
await once(server, "listening");
const address = server.address();
const origin = `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
const [name = "", value = ""] = (await estate.signIn("alice@desk")).split("=", 2);
const browser = await startBrowser();
try {
  for (const [colorScheme, size] of [
    ["light", DESK],
    ["dark", DESK],
    ["light", PHONE],
  ] as const) {
    const context = await browser.newContext({ viewport: size, colorScheme, deviceScaleFactor: 1 });
    await context.addCookies([{ name, value, url: origin }]);
    const page = await context.newPage();
    const kind = size === PHONE ? "-phone" : colorScheme === "dark" ? "-dark" : "";
    const [renewal] = await store.renewals.list({ certificate: "ci", limit: 1 });
    const all = [...PAGES, ["renewal", `/renewals/${renewal?.id ?? ""}`] as const];
    // All in light; of the others those that show most.
    for (const [title, path] of all.filter(([each]) => kind === "" || each === "now" || each === "certificates")) {
      await beatAll(store, Date.now());
      await page.goto(`${origin}${path}`);
      await page.locator("#live-state").waitFor({ state: "attached" });
      await page.screenshot({ path: join(DIRECTORY, `${title}${kind}.png`) });
    }
    await context.close();
  }
} finally {
  await browser.close();
  server.closeAllConnections();
  server.close();
}

/** What nobody manages. */
async function findSome(): Promise<void> {
  const found = ["erp", "printer", "old-vpn", "lab-7"].map((host, index) => {
    const [name, notAfter] = [`${host}.example.org`, Date.now() + (index + 1) * 9 * 86_400_000];
    const certificate = {
      fingerprint: `${index + 1}f`.repeat(32),
      names: [name],
      issuer: "CN=Example CA R11",
      notAfter,
    };
    return sighting(certificate, { place: `${name} at 192.0.2.${index + 30}:443` });
  });
  await store.inventory.record(found, Date.now());
}

/** A replacement that is under way. */
async function replaceSome(): Promise<void> {
  const members = [];
  for (const certificate of web.estate().certificates.slice(13, 25)) {
    const version = await store.versions.latest(certificate.name);
    if (version !== null) members.push({ certificate, version });
  }
  const request = {
    ...{ selection: { issuer: "letsencrypt" }, described: "--issuer letsencrypt --waves 1,5", issuer: null },
    ...{ deadline: Date.now() + 5 * 86_400_000, waves: [1, 5], by: "alice@desk", why: "the CA revokes them on Friday" },
  };
  await startReplacement(web.renewal, request, { members, refused: [], unknownSerials: [] });
}
