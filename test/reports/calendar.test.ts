import { expect, test } from "vitest";
import { freezesOf, icalendar, weeklyLoad } from "../../src/reports/calendar.ts";
import { FleetView } from "../../src/reports/fleetView.ts";
import { certificate, DAY_MS, NOW } from "../support/model/facts.ts";
import { createEstate } from "../support/system/estate.ts";

test("a calendar file has a line for each renewal, folded and escaped; shorter lives make more of them", async () => {
  await using estate = await createEstate();
  const www = await estate.live("www");
  await estate.report([www]);
  const { certificates } = await new FleetView({
    ...{ store: estate.store, certificates: () => [www], options: () => ({}), now: () => NOW },
  }).read();
  const freeze = { from: NOW, until: NOW + DAY_MS, reason: "quarter's end; all,\nteams \u0007 ".repeat(5) };
  const freezes = freezesOf([certificate({ maintenance: { windows: [], freezes: [freeze] } })], NOW);
  const ends = [
    { subject: "domain exämple.org", what: "registration 🗓️".repeat(9), endsAt: new Date(NOW).toISOString() },
    { subject: "issuer ca", what: "account", endsAt: null },
  ];
  const text = [...icalendar({ rows: certificates, freezes, ends }, NOW)].join("");
  expect(text.match(/BEGIN:VEVENT/g)).toHaveLength(4);
  expect(text).toContain("SUMMARY:www: expires unless renewed\r\n");
  expect(text.replaceAll("\r\n ", "")).toContain(`SUMMARY:domain exämple.org: ${"registration 🗓️".repeat(9)} ends\r\n`);
  expect(text.startsWith("BEGIN:VCALENDAR\r\nVERSION:2.0\r\n") && text.endsWith("END:VCALENDAR\r\n")).toBe(true);
  expect(text).toContain("SUMMARY:www: renews\r\n");
  expect(text).toContain("quarter's end\\; all\\, teams");
  expect(text.split("\r\n").every((line) => Buffer.byteLength(line) <= 75)).toBe(true);
  expect(text).not.toMatch(/(?!\r|\n)\p{Cc}/u);
  expect(weeklyLoad(certificates, 47)).toBeCloseTo(7 / ((47 * 2) / 3), 5);
  expect(weeklyLoad(certificates, 10_000)).toBeCloseTo(7 / 60, 5);
});
