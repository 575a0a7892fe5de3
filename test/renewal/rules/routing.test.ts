import { expect, test } from "vitest";
import { NOBODY } from "../../../src/domain/responsibility.ts";
import { isSent } from "../../../src/renewal/rules/routing.ts";

const everything = {};
const web = { about: { teams: ["web"] } };
const night = { about: { criticality: ["critical"], labels: ["stage=production"] } } as const;
const ofWeb = { ...NOBODY, team: "web" };
const atNight = { ...NOBODY, criticality: "critical", labels: { stage: "production" } } as const;

test.each([
  ["what is its team's", web, ofWeb, true],
  ["not what is another team's, which another channel is about", web, atNight, false],
  ["what fits all keys of it", night, atNight, true],
  ["not what fits one key of two", night, { ...atNight, labels: {} }, false],
  ["everything, if it says nothing", everything, ofWeb, true],
])("a channel is sent %s", (_, channel, responsibility, sent) => {
  expect(isSent(channel, [everything, web, night], responsibility)).toBe(sent);
});

test("what no channel is about, and what is wrong with renewd itself, goes to every channel", () => {
  for (const channel of [web, night]) {
    expect(isSent(channel, [web, night], null)).toBe(true);
    expect(isSent(channel, [web, night], { ...NOBODY, team: "mail" })).toBe(true);
    expect(isSent(channel, [web, night, everything], null)).toBe(false);
  }
});
