// The link in a message: what a mail scanner, its reader, and a stranger can do with it.
import { afterEach, beforeEach, expect, test } from "vitest";
import { linkToken } from "../../src/renewal/rules/alerts/link.ts";
import { alert } from "../support/model/facts.ts";
import { createWebEstate, type WebEstate } from "../support/system/webEstate.ts";

let estate: WebEstate;
let link: string;
beforeEach(async () => {
  estate = await createWebEstate();
  const at = estate.web.renewal.clock.now();
  await estate.store.alerts.save(alert({ notifiedAt: at, channels: ["mail"] }));
  link = linkOf(at);
});
afterEach(() => estate[Symbol.asyncDispose]());

function linkOf(at: number, acknowledgements = 0): string {
  return linkToken({ alert: "0badcafe", acknowledgements, channel: "mail", at }, estate.store.alerts.sign);
}
/** Nobody is signed in. */
const stranger = (path: string, body?: URLSearchParams): Promise<Response> =>
  estate.ask(path, { headers: { authorization: "", cookie: "none=1" }, ...(body && { method: "POST", body }) });
const post = (token: string, more: Record<string, string> = {}): Promise<Response> =>
  stranger("/acknowledge", new URLSearchParams({ token, name: "Eve", reason: "I look at lb", ...more }));
const taken = async () => (await estate.store.alerts.get("0badcafe"))?.acknowledgement ?? null;

test("opened by a scanner it shows a form and changes nothing, however often", async () => {
  for (let time = 0; time < 3; time++) {
    const shown = await stranger(`/acknowledge?token=${link}`);
    expect(shown.status).toBe(200);
    const page = await shown.text();
    expect(page).toContain('method="post"');
    expect(page).toContain("renewal failed: no socket");
  }
  expect(await taken()).toBeNull();
});

test("its form acknowledges, once, and says who and by what", async () => {
  expect((await post(link)).status).toBe(200);
  expect(await taken()).toMatchObject({ by: "Eve (a reader of mail)", reason: "I look at lb", via: "link" });
  const again = await post(link, { name: "Mallory" });
  expect(again.status).toBeGreaterThanOrEqual(400);
  expect(await taken()).toMatchObject({ by: "Eve (a reader of mail)" });
  const [event] = await estate.store.events.list({ types: ["alert.acknowledged"], limit: 1 });
  expect(event?.detail).toMatchObject({ alert: "0badcafe", via: "link", reason: "I look at lb" });
  const late = await stranger(`/acknowledge?token=${link}`);
  expect(await late.text()).toContain("Acknowledged already");
});

test("a link that was used does not work after the acknowledgement was withdrawn; a newer one does", async () => {
  await post(link);
  const found = await estate.store.alerts.get("0badcafe");
  await estate.store.alerts.save({ ...alert(), ...found, acknowledgement: null });
  expect((await post(link)).status).toBeGreaterThanOrEqual(400);
  expect(await taken()).toBeNull();
  expect((await post(linkOf(Date.now(), 1))).status).toBe(200);
});

test.each([
  ["of another alert", (token: string) => token.replace(/^./, (first) => (first === "M" ? "N" : "M"))],
  ["with another signature", (token: string) => `${token.slice(0, -4)}AAAA`],
  ["that is none", () => "x".repeat(300)],
  ["that is empty", () => ""],
])("a link %s is refused", async (_, change) => {
  expect((await post(change(link))).status).toBe(409);
  expect((await stranger(`/acknowledge?token=${change(link)}`)).status).toBe(409);
  expect(await taken()).toBeNull();
});

test("a link older than a day is refused", async () => {
  expect((await post(linkOf(Date.now() - 90_000_000))).status).toBe(409);
  expect(await taken()).toBeNull();
});

test("the alerts page shows causes with receipts, and takes one on with a reason", async () => {
  await estate.store.alerts.record({
    channel: "mail",
    seq: 7,
    alert: "0badcafe",
    at: Date.now(),
    outcome: "sent",
    error: null,
  });
  const cookie = await estate.signIn("alice@web-1");
  const page = await (await estate.ask("/alerts", { headers: { cookie } })).text();
  expect(page).toContain("2 certificates (target lb): renewal failed: no socket");
  expect(page).toContain("Shortly before: the configuration was reloaded");
  const body = new URLSearchParams({ subject: "0badcafe", reason: "mine", key: "k1" });
  const headers = { cookie, origin: "http://127.0.0.1:8280", "content-type": "application/x-www-form-urlencoded" };
  const done = await estate.ask("/actions/take-alert", { method: "POST", headers, body: body.toString() });
  expect(done.status).toBe(200);
  expect(await taken()).toMatchObject({ by: "alice@web-1 in a browser", reason: "mine", via: "page" });
  expect(await (await estate.ask("/alerts", { headers: { cookie } })).text()).toContain("taken on by alice@web-1");
});
