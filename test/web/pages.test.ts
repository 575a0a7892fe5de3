import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { replace } from "../../src/actions/replace.ts";
import { sighting } from "../support/model/facts.ts";
import { seedFleet } from "../support/system/seedFleet.ts";
import { createWebEstate, WEB_ORIGIN, type WebEstate } from "../support/system/webEstate.ts";
import { csvRows, linksOf } from "../support/web/crawl.ts";

/**
 * Everything that a CA, a target, an endpoint or a person may say: markup, an attribute's end, a script, active
 * characters.
 */
const HOSTILE = `"><script>alert(1)</script><img src=x onerror=alert(2)>'\u202e\u001b[31m{{7*7}}`;

/** Control and format characters, but for the line breaks of markup. */
const ACTIVE = /\p{Cf}|(?!\n)\p{Cc}/u;

/** What a configuration may say: no control characters, but any markup. */
const MARKUP = '"><script>alert(3)</script><img src=x onerror=alert(4)>';
const NAMED = { owner: `alice ${MARKUP}`, team: `web ${MARKUP}` };

const REPLACING = {
  ...{ issuer: "ca", serials: null, san: null, intermediate: null, profile: null, to: null },
  ...{ waves: [1], deadline: "5d", dryRun: false },
};

/** What strangers said to the buttons that try something. */
async function recordFindings({ events }: WebEstate["store"]): Promise<void> {
  const about = { at: Date.now(), certificate: null, renewalId: null, target: null } as const;
  const failed = { passed: false, message: HOSTILE, code: "deploy.unreachable", by: HOSTILE };
  await events.append({ ...about, type: "target.checked", target: "lb", detail: failed });
  const test = { channel: "ops", sent: false, message: HOSTILE, code: "notify.failed" };
  await events.append({ ...about, type: "channel.tested", detail: test });
  const checked = { passed: false, concerns: [HOSTILE], caa: [`c3.example.org ${HOSTILE}`] };
  await events.append({ ...about, type: "certificate.checked", certificate: "c3", detail: checked });
  await events.append({ ...about, type: "history.audited", detail: { whole: false, message: HOSTILE, events: 9 } });
  await events.append({ ...about, type: "access.granted", detail: { by: HOSTILE } });
}

/** What strangers serve, and what files are called. */
async function recordFound({ inventory }: WebEstate["store"]): Promise<void> {
  const hostile = { subject: HOSTILE, issuer: HOSTILE, names: [HOSTILE, "b.example"], keyText: HOSTILE };
  const all = ["a", "b", "c"].map((digit) =>
    sighting({ ...hostile, fingerprint: digit.repeat(64) }, { place: HOSTILE }),
  );
  await inventory.record([...all, sighting()], Date.now());
  const run = { startedAt: 1, finishedAt: 2, found: 1, problems: [HOSTILE] };
  await inventory.saveRun({ source: "files", ...run });
  const ignored = { reason: HOSTILE, by: HOSTILE, at: 1, until: Date.now() + 86_400_000 };
  await inventory.ignore("a".repeat(64), ignored);
}

let estate: WebEstate;
beforeAll(async () => {
  const names = Array.from({ length: 20 }, (_, index) => `c${index}`);
  const responsibility = [
    { certificates: ["c1"], ...NAMED, criticality: "critical", labels: { app: MARKUP } },
    { certificates: ["c1*"], ...NAMED, runbook: "https://wiki.example.org/tls?a=1&b=2" },
  ];
  const notifications = { ops: { type: "command", command: ["/bin/true"] } };
  estate = await createWebEstate({ names, planned: false, sections: { responsibility, notifications } });
  const { certificates } = estate.web.estate();
  await seedFleet(estate.store, certificates, { now: Date.now(), past: 1, text: HOSTILE });
  const report = await replace(estate.web, REPLACING, { by: MARKUP, reason: MARKUP });
  expect(report.certificates.length).toBeGreaterThan(0);
  await recordFindings(estate.store);
  await recordFound(estate.store);
});
afterAll(() => estate[Symbol.asyncDispose]());

async function pageAt(path: string): Promise<string> {
  const response = await estate.ask(path, { headers: { accept: "text/html" } });
  expect(response.status, path).toBe(200);
  return await response.text();
}

const PAGES = [
  ...["/", "/certificates", "/history", "/history?view=events", "/calendar", "/endpoints", "/targets", "/issuers"],
  ...["/replacements", "/alerts", "/report", "/processes", "/inventory"],
];
/** Of each kind one at least is followed. */
const DETAILS = [
  "certificates",
  "renewals",
  "targets",
  "endpoints",
  "issuers",
  "replacements",
  "alerts/channels",
  "inventory",
];
const DETAIL = new RegExp(`^/(${DETAILS.join("|")})/[^?#]+$`);
const EACH_MAX = 25;

/** How many rows a link leads to, counted in the rows themselves. */
async function rowsAt(href: string): Promise<number> {
  const [path = "", anchor = ""] = href.split("#");
  const { pathname, search } = new URL(path, "http://renewd");
  if (anchor === "events") return (await pageAt(path)).split('<tr id="event-').length - 1;
  if (/^\/certificates\/./.test(pathname)) return (await pageAt(path)) === "" ? 0 : 1;
  const file = await estate.ask(`${pathname}.csv${search}`);
  expect(file.status, href).toBe(200);
  return csvRows(await file.text());
}

test("every number on every page is a link to exactly that many rows", async () => {
  const seen = new Map<string, number>();
  const visited = new Set<string>();
  const waiting = [...PAGES];
  const followed = new Map<string, Set<string>>();
  for (let path = waiting.shift(); path !== undefined; path = waiting.shift()) {
    if (visited.has(path)) continue;
    visited.add(path);
    const page = await pageAt(path);
    for (const { href, count, text } of linksOf(page)) {
      const isDetail = DETAIL.test(href) && !href.endsWith(".json");
      // Details of each kind of trouble, and the filters of each list once.
      const kind = DETAIL.exec(href)?.[1] ?? "";
      if (isDetail && (followed.get(kind)?.size ?? 0) < EACH_MAX)
        followed.set(kind, (followed.get(kind) ?? new Set()).add(href));
      if (followed.get(kind)?.has(href) === true) waiting.push(href);
      if (count === null) continue;
      if (!isDetail) expect(text.replaceAll(",", ""), `${path} ${href}`).toMatch(new RegExp(`(^|\\D)${count}(\\D|$)`));
      if (seen.has(href)) expect(count, `${path} says another number for ${href}`).toBe(seen.get(href));
      else seen.set(href, count);
    }
  }
  for (const kind of DETAILS)
    expect(
      [...visited].some((path) => path.startsWith(`/${kind}/`)),
      kind,
    ).toBe(true);
  for (const [href, count] of seen) expect(await rowsAt(href), href).toBe(count);
  expect(seen.size).toBeGreaterThan(40);
});

describe("what strangers write", () => {
  test("is text on every page, in every list and file", async () => {
    const lists = ["/", "/targets", "/endpoints", "/issuers", "/replacements", "/alerts", "/certificates"];
    const details: string[] = [];
    for (const path of lists) details.push(...linksOf(await pageAt(path)).map(({ href }) => href));
    const renewals = linksOf(await pageAt("/history"))
      .map(({ href }) => href)
      .filter((href) => href.startsWith("/renewals/"));
    const paths = [...PAGES, ...details.filter((href) => DETAIL.test(href)), ...renewals.slice(0, 8)];
    let shown = 0;
    for (const path of new Set(paths.map((href) => href.split("#")[0] ?? ""))) {
      const page = await pageAt(path);
      expect(page, path).not.toContain("<script>alert");
      expect(page, path).not.toContain("<img src=x");
      expect(page, path).not.toMatch(ACTIVE);
      if (page.includes("&lt;script&gt;alert(1)")) shown += 1;
    }
    // It is shown and not dropped: a person has to read what the CA said.
    expect(shown).toBeGreaterThan(5);
  });

  test("what is asked for comes back as text, too", async () => {
    const q = encodeURIComponent(HOSTILE);
    for (const path of [`/certificates?q=${q}`, `/certificates?state=${q}`, `/history?q=${q}`]) {
      const response = await estate.ask(path, { headers: { accept: "text/html" } });
      // The field keeps what the person typed.
      const page = (await response.text()).replace(/<input[^>]*>/g, "");
      expect(page, path).not.toContain("<script>alert");
      expect(page, path).not.toMatch(ACTIVE);
    }
    const missing = await estate.ask(`/certificates/${q}`, { headers: { accept: "text/html" } });
    expect(missing.status).toBe(404);
    expect(await missing.text()).not.toContain("<script>alert");
  });

  test("no page holds an inline script, style or handler, which the policy forbids", async () => {
    for (const path of PAGES) {
      const page = await pageAt(path);
      expect(page, path).not.toMatch(/<script(?![^>]*\bsrc=)/);
      expect(page, path).not.toMatch(/<[^>]*\s(style|on\w+)=/);
      expect(page, path).not.toMatch(/<style/);
    }
  });
});

describe("a list", () => {
  test("keeps its filters, order and search in every link and form", async () => {
    const page = await pageAt("/certificates?state=provedLive&sort=-expires&q=c&limit=2");
    const next = linksOf(page).find(({ text }) => text === "next page")?.href ?? "";
    expect(next).toContain("state=provedLive");
    expect(next).toContain("sort=-expires");
    expect(next).toContain("q=c");
    expect(await pageAt(next)).toContain("first page");
    expect(page).toContain('<input type="hidden" name="state" value="provedLive"');
  });

  test("loads nothing that is not there, whatever the browser asks for beside it", async () => {
    const beside = new Set(["/favicon.ico"]);
    for (const path of ["/", "/actions/audit", "/none", "/api/v1/reference", "/acknowledge?token=none"]) {
      const page = await (await estate.ask(path, { headers: { accept: "text/html" } })).text();
      const found = [...page.matchAll(/<(?:link|script)\b[^>]*(?:href|src)="([^"]+)"/g)].map(([, href = ""]) => href);
      expect(found.join(), path).toContain("renewd.svg");
      for (const href of found) beside.add(href);
    }
    for (const href of beside) expect((await estate.app.request(`${WEB_ORIGIN}${href}`)).status, href).toBe(200);
  });

  test.each([
    ["/certificates?sort=nothing", "sort: there is no order"],
    ["/certificates?after=%F0%28", "after: is no cursor"],
    ["/certificates?limit=0", "limit: must be"],
    ["/history?q=state:broken", "q: state:"],
    ["/history?after=x", "after: is no cursor"],
    ["/history?view=x", "view: must be"],
  ])("answers %s with what is wrong, and never with a fault", async (path, message) => {
    const response = await estate.ask(path, { headers: { accept: "text/html" } });
    expect([400, 409]).toContain(response.status);
    expect(await response.text()).toContain(message);
  });

  test("finds what somebody answers for, by facet and by word", async () => {
    const rows = (await pageAt("/certificates?q=owner:alice")).split('name="certificate"').length - 1;
    expect(rows).toBe(11);
    expect((await pageAt("/certificates?q=team:web+criticality:critical")).split('name="certificate"').length - 1).toBe(
      1,
    );
    expect(await pageAt("/certificates?q=owner:bob")).toContain("None of 20 certificates fits");
    expect(await pageAt("/endpoints?q=owner:alice")).toContain("<b>11</b> endpoints");
    expect(await pageAt("/certificates/c12")).toContain('href="https://wiki.example.org/tls?a=1&amp;b=2"');
    expect(await pageAt("/certificates/c12")).toContain("owner <a href=");
  });

  test("is empty in words", async () => {
    expect(await pageAt("/certificates?q=nothing-of-that-name")).toContain("None of 20 certificates fits");
    expect(await pageAt("/history?q=nothing-of-that-name")).toContain("No renewal fits");
  });
});

describe("an action", () => {
  const post = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) =>
    estate.ask(path, {
      method: "POST",
      headers: { "content-type": "application/x-www-form-urlencoded", accept: "text/html", ...headers },
      body: new URLSearchParams(fields).toString(),
    });

  test("shows its plan first and does nothing until it is confirmed", async () => {
    const page = await pageAt("/actions/pause?certificate=c15&back=/certificates?state=provedLive");
    expect(page).toContain("The plan");
    expect(page).toContain('name="reason"');
    expect(page).toContain('href="/certificates?state=provedLive"');
    expect((await estate.store.certificates.get("c15"))?.pausedAt).toBeNull();
  });

  test("is done once however often the form is sent, and shows what it did on one page", async () => {
    const fields = { certificate: "c15", reason: "moving <b>house</b>", key: "k-1", until: "2d" };
    const first = await post("/actions/pause", fields);
    expect(first.status).toBe(200);
    const text = await first.text();
    expect(text).toContain("is paused until");
    const again = await post("/actions/pause", fields);
    expect(await again.text()).toContain("is paused until");
    const events = await estate.store.events.list({ certificate: "c15", types: ["certificate.paused"], limit: 10 });
    expect(events).toHaveLength(1);
    expect(events[0]?.detail).toMatchObject({ reason: "moving <b>house</b>", by: "api.token" });
    // The list that it came from shows it at once.
    expect(await pageAt("/certificates?state=paused&name=c15")).toContain("c15");
    expect((await post("/actions/pause", { ...fields, certificate: "c16" })).status).toBe(409);
  });

  test("without its reason is refused, and so is a name that is no certificate", async () => {
    const without = await post("/actions/pause", { certificate: "c16" });
    expect(without.status).toBe(422);
    expect(await without.text()).toContain("say why");
    const unknown = await post("/actions/renew", { certificate: "nobody" });
    expect(unknown.status).toBe(422);
    expect(await unknown.text()).toContain("is not configured");
    expect((await post("/actions/explode", { certificate: "c16" })).status).toBe(404);
  });

  test("that was filled in wrongly is shown again as it was typed, with what is wrong", async () => {
    const fields = { certificate: "c16", reason: `moving ${MARKUP}`, until: "tomorrow", back: "/certificates?q=c16" };
    const answer = await post("/actions/pause", fields);
    expect(answer.status).toBe(422);
    const text = await answer.text();
    expect(text).toContain("until: must be 2d");
    expect(text).toContain("moving &quot;&gt;&lt;script&gt;");
    expect(text).toContain('value="tomorrow"');
    expect(text).toContain('href="/certificates?q=c16"');
    expect((await estate.store.certificates.get("c16"))?.pausedAt).toBeNull();
    const waves = await post("/actions/replace", { issuer: "ca", waves: "1;20", until: "3d", reason: "drill" });
    expect(waves.status).toBe(422);
    const again = await waves.text();
    expect(again).toContain("waves: must be");
    for (const typed of ["1;20", "3d", "drill", "ca"]) expect(again).toContain(`value="${typed}"`);
  });

  test("starts a drill of the certificates that were ticked, and shows it beside the replacements", async () => {
    const asked = "certificate=c16&certificate=c17";
    const plan = await pageAt(`/actions/drill?${asked}&scenario=expired`);
    expect(plan).toContain("is replaced and measured");
    expect(plan).toContain('<option value="expired" selected>');
    expect((await post("/actions/drill", { certificate: "c16" })).status).toBe(422);
    const unknown = await post("/actions/drill", { certificate: "c16", issuer: "nobody", reason: "a test" });
    expect(await unknown.text()).toContain("there is no issuer");
    const fields = { certificate: "c16", scenario: "expired", until: "2h", reason: "are we fast enough?" };
    expect(await (await post("/actions/drill", fields)).text()).toContain("1 certificate is replaced and measured");
    const [drill] = await estate.store.drills.list(1);
    expect(drill).toMatchObject({ scenario: "expired", members: [{ certificate: "c16" }] });
    expect(await pageAt("/replacements")).toContain("drill as if expired: c16");
  });

  test("shows how exercises of the alarm went, and refuses one that is not configured", async () => {
    const at = Date.now() - 3_600_000;
    const begun = { id: "e", certificate: "c16", target: "lb", generation: 1, startedAt: at, by: null, withinMs: 1 };
    const notified = { brokenAt: at, problem: null, alert: "0badcafe", step: 0, notifiedAt: at };
    const answered = { acknowledgedAt: at + 240_000, acknowledgedBy: MARKUP, endedAt: at, finishedAt: at };
    await estate.store.exercises.save({ ...begun, ...notified, ...answered, outcome: "acknowledged" });
    const page = await pageAt("/alerts");
    expect(page).toMatch(/acknowledged by &quot;&gt;&lt;script&gt;.* after 4 min/);
    const unconfigured = await pageAt("/actions/exercise");
    expect(unconfigured).toContain("add `exercise: { certificate: NAME }`");
    expect(unconfigured).not.toContain('action="/actions/exercise"');
    expect(await (await post("/actions/exercise", {})).text()).toContain("no certificate is configured to be broken");
  });

  test("about renewd itself names what it is about, not the id of the finding", async () => {
    const alerts = await (await estate.ask("/alerts.csv?about=renewd")).text();
    const subject = alerts.split("\r\n")[1]?.split(",")[0] ?? "";
    expect(subject).toMatch(/^\w+(\/|$)/);
    const form = await pageAt(`/actions/acknowledge?subject=${encodeURIComponent(subject)}`);
    expect(form).toContain('data-label="What">renewd itself: ');
    expect(form.replace(/<input[^>]*>/g, "")).not.toContain(`>${subject}<`);
    const board = await pageAt("/replacements");
    expect(board).toMatch(/<dt>Why<\/dt><dd>[^<]*&gt;/);
  });

  test("ignores what was found until a date, for a reason, and no longer", async () => {
    const fingerprint = "b".repeat(64);
    const ignored = async () => (await estate.store.inventory.list({ fingerprints: [fingerprint] }))[0]?.ignored;
    expect(await pageAt(`/inventory/${fingerprint}`)).toContain(`/actions/ignore-found?subject=${fingerprint}`);
    expect(await pageAt(`/actions/ignore-found?subject=${fingerprint}`)).toContain("The plan");
    expect((await post("/actions/ignore-found", { subject: fingerprint })).status).toBe(422);
    const fields = { subject: fingerprint, reason: "the CDN renews it", until: "2d" };
    expect(await (await post("/actions/ignore-found", fields)).text()).toContain("is ignored until");
    expect(await ignored()).toMatchObject({ reason: "the CDN renews it", by: "api.token" });
    expect(await pageAt(`/inventory/${fingerprint}`)).toContain("/actions/unignore-found?");
    expect(await (await post("/actions/unignore-found", { subject: fingerprint })).text()).toContain("no longer");
    expect(await ignored()).toBeNull();
    expect(await pageAt("/actions/ignore-found?subject=none")).toContain("is no fingerprint");
  });

  test("to roll back shows which pair comes back, by the rule that decides it", async () => {
    expect(await pageAt("/actions/rollback?certificate=c15")).toContain("generation 1 comes back to");
    expect(await pageAt("/certificates/c15")).toContain("Roll back");
    // Nothing was ever issued.
    expect(await pageAt("/actions/rollback?certificate=c11")).toContain("nothing was issued yet");
    expect(await pageAt("/certificates/c11")).not.toContain("Roll back");
  });

  test("leads back to renewd alone", async () => {
    for (const back of ["https://evil.example", "//evil.example", "/\\evil.example", "javascript:alert(1)"]) {
      const page = await pageAt(`/actions/retry?certificate=c16&back=${encodeURIComponent(back)}`);
      expect(page).not.toContain("evil.example");
      expect(page).not.toContain("javascript:");
    }
  });

  test("is sent by browsers with its origin, which `no-referrer` would hide", async () => {
    const response = await estate.ask("/actions/pause?certificate=c16", { headers: { accept: "text/html" } });
    expect(response.headers.get("referrer-policy")).toBe("same-origin");
  });

  test("from another site's page is refused", async () => {
    const cookie = await estate.signIn();
    const foreign = await post(
      "/actions/pause",
      { certificate: "c17", reason: "x" },
      { cookie, origin: "https://evil.example" },
    );
    expect(foreign.status).toBe(403);
    expect((await estate.store.certificates.get("c17"))?.pausedAt).toBeNull();
  });
});

test("a view is saved under a name, in this browser, and removed", async () => {
  const form = { "content-type": "application/x-www-form-urlencoded" };
  const saved = await estate.ask("/views", {
    method: "POST",
    headers: form,
    body: new URLSearchParams({
      list: "certificates",
      name: "Mine <x>",
      query: "?state=failing",
      back: "/certificates",
    }).toString(),
  });
  expect([saved.status, saved.headers.get("location")]).toEqual([303, "/certificates"]);
  const cookie = (saved.headers.get("set-cookie") ?? "").split(";", 1)[0] ?? "";
  const page = await (
    await estate.ask("/certificates", { headers: { cookie, authorization: `Bearer ${estate.token}` } })
  ).text();
  expect(page).toContain('href="/certificates?state=failing">Mine &lt;x&gt;</a>');
});
