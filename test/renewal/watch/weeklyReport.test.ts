// The weekly report: when it is due, once whatever happens, and what a real mail server gets.
import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { SMTPServer } from "smtp-server";
import { expect, test } from "vitest";
import { NOBODY } from "../../../src/domain/responsibility.ts";
import { Secret } from "../../../src/domain/secret.ts";
import { DAY_MS, HOUR_MS, MINUTE_MS } from "../../../src/domain/time.ts";
import type { WeeklyReportSettings } from "../../../src/domain/weeklyReport.ts";
import { smtp } from "../../../src/notify/smtp.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { lastScheduled } from "../../../src/renewal/rules/reportSchedule.ts";
import { deliverNotifications } from "../../../src/renewal/watch/notify.ts";
import { requestWeeklyReport } from "../../../src/renewal/watch/weeklyReport.ts";
import { weekReport } from "../../../src/reports/week.ts";
import { weekInWords } from "../../../src/reports/weekWords.ts";
import { sighting } from "../../support/model/facts.ts";
import { modelCertificate, NO_SIGNAL, Workbench } from "../../support/model/workbench.ts";

const WEEKLY: WeeklyReportSettings = { channel: "mail", weekday: "monday", minute: 8 * 60, timeZone: "Europe/Berlin" };

test.each([
  ["in winter", "2026-01-09T12:00Z", "2026-01-05T07:00Z"],
  ["to the minute", "2026-01-12T07:00Z", "2026-01-12T07:00Z"],
  ["a minute too early", "2026-01-12T06:59Z", "2026-01-05T07:00Z"],
  ["in summer", "2026-07-06T06:00Z", "2026-07-06T06:00Z"],
  ["after clocks went forward on Sunday", "2026-03-30T06:00Z", "2026-03-30T06:00Z"],
  ["after clocks went back on Sunday", "2026-10-26T06:59Z", "2026-10-19T06:00Z"],
])("the report is scheduled by the wall clock %s", (_, now, expected) => {
  expect(lastScheduled(WEEKLY, Date.parse(now))).toBe(Date.parse(expected));
});

interface Sink extends AsyncDisposable {
  readonly port: number;
  readonly mails: readonly string[];
}

async function startSink(): Promise<Sink> {
  const mails: string[] = [];
  const server = new SMTPServer({
    ...{ authOptional: true, disableReverseLookup: true, disabledCommands: ["STARTTLS"] },
    onData(stream, _session, done) {
      const chunks: Buffer[] = [];
      stream.on("data", (chunk: Buffer) => chunks.push(chunk));
      stream.on("end", () => {
        // Quoted-printable (RFC 2045 §6.7): line breaks that only wrap, and octets as hexadecimal digits.
        const text = Buffer.concat(chunks).toString().replace(/=\r\n/g, "");
        mails.push(text.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))));
        done();
      });
    },
  });
  server.listen(0, "127.0.0.1");
  await once(server.server, "listening");
  return {
    port: (server.server.address() as AddressInfo).port, // It listens on TCP.
    mails,
    [Symbol.asyncDispose]: () => new Promise((resolve) => server.close(resolve)),
  };
}

function withMail(bench: Workbench, port: number): Context {
  const options = { host: "127.0.0.1", port, tls: "none", sender: "renewd@example.org", to: ["ops@example.org"] };
  const send = smtp.create(smtp.options.parse(options), { channel: "mail", secret: async () => new Secret("") });
  bench.channels.set("mail", { from: "page", keepsAlerts: false, send });
  const weeklyReport = async (until: number) =>
    weekInWords(await weekReport(bench.store, bench.certificates, until, bench.now));
  return { ...bench.context, services: { ...bench.context.services, weeklyReport } };
}

test("is mailed once a week by however many planners, as text and HTML in which foreign text does nothing", async () => {
  const responsibility = { ...NOBODY, owner: "anna", team: "shop" };
  await using bench = await Workbench.open([{ ...modelCertificate("www"), responsibility }]);
  await using sink = await startSink();
  bench.now = Date.parse("2026-01-08T12:00Z");
  const context = withMail(bench, sink.port);
  const tick = async (): Promise<number> => {
    const planners = [1, 2, 3].map(() => requestWeeklyReport(context, WEEKLY, NO_SIGNAL));
    const asked = (await Promise.all(planners)).filter(Boolean).length;
    await Promise.all([1, 2].map(() => deliverNotifications(context, NO_SIGNAL)));
    return asked;
  };
  // The first is that of the next Monday.
  expect(await tick()).toBe(0);
  const happens = (type: "renewal.failed" | "version.issued", detail: Record<string, string | number>) =>
    bench.store.events.append({
      ...{ at: bench.now + HOUR_MS, type, certificate: "www", renewalId: "r", target: null },
      detail,
    });
  await happens("version.issued", { generation: 7 });
  await happens("renewal.failed", { message: 'no <script>alert("x")</script>\r\nBcc: x \u001b[31m' });
  await bench.store.inventory.record([sighting({ names: ["<b>.example.org"] })], bench.now);

  bench.now = Date.parse("2026-01-12T06:59Z");
  expect(await tick()).toBe(0);
  bench.now += MINUTE_MS;
  expect(await tick()).toBe(1);
  expect(await tick()).toBe(0);
  expect(sink.mails).toHaveLength(1);
  const [mail = ""] = sink.mails;
  expect(mail).toMatch(/^Subject: renewd: 1 issued, 1 failed, 0 alerts open this week\r$/m);
  expect(mail).toContain("Content-Type: multipart/alternative");
  const [head = "", text = "", html = ""] = mail.split(/^Content-Type: text\/(?:plain|html)/m);
  expect(head).toContain("To: ops@example.org");
  expect(text).toContain("www, 2026-01-08 13:00:00Z: generation 7");
  expect(text).toContain('www, 2026-01-08 13:00:00Z: no <script>alert("x")</script> Bcc: x \\x1b[31m');
  expect(text).toContain(" (owner anna, team shop)");
  expect(html).toContain("no &lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt; Bcc: x");
  expect(html).toContain("&lt;b&gt;.example.org");
  for (const active of ["<script", "<b>", "\u001b"]) expect(html).not.toContain(active);

  // A planner that was away for three weeks sends one; a weekday that is moved by a day is none of its own.
  bench.now += 21 * DAY_MS;
  expect(await tick()).toBe(1);
  expect(await requestWeeklyReport(context, { ...WEEKLY, weekday: "tuesday" }, NO_SIGNAL)).toBe(false);
  bench.now += DAY_MS;
  expect(await requestWeeklyReport(context, { ...WEEKLY, weekday: "tuesday" }, NO_SIGNAL)).toBe(false);
  expect(sink.mails).toHaveLength(2);
});

test("a planner that dies before it is sent leaves it to the next, and one of a broken transaction leaves nothing", async () => {
  await using bench = await Workbench.open([modelCertificate("www")]);
  await using sink = await startSink();
  bench.now = Date.parse("2026-01-08T12:00Z");
  const context = withMail(bench, sink.port);
  await deliverNotifications(context, NO_SIGNAL);
  await requestWeeklyReport(context, WEEKLY, NO_SIGNAL);
  bench.now += 5 * DAY_MS;
  const { store } = bench;
  const killed = { ...context, store: { ...store, transaction: killedAtTheEnd(store) } };
  await expect(requestWeeklyReport(killed, WEEKLY, NO_SIGNAL)).rejects.toThrow("killed");
  expect(await requestWeeklyReport(context, WEEKLY, NO_SIGNAL)).toBe(true);
  expect(sink.mails).toHaveLength(0);
  expect(await deliverNotifications(context, NO_SIGNAL)).toBe(1);
  expect(await deliverNotifications(context, NO_SIGNAL)).toBe(0);
  expect(sink.mails).toHaveLength(1);
});

/** Whatever it wrote, it does not live to commit it. */
function killedAtTheEnd(store: Workbench["store"]): Workbench["store"]["transaction"] {
  return (work) =>
    store.transaction(async (tx) => {
      await work(tx);
      throw new Error("killed");
    });
}
