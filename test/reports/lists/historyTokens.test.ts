import { describe, expect, test } from "vitest";
import { readHistoryQuery } from "../../../src/reports/lists/historyList.ts";
import { readTokens, valuesOf, withToken } from "../../../src/reports/lists/historyTokens.ts";
import { DAY_MS, NOW } from "../../support/model/facts.ts";

describe("what is typed into the history's search", () => {
  test("is tokens and words", () => {
    expect(
      readTokens('name:shop serial:0A:bc actor:"alice smith" timeout before:2026-01-02 since:7d', NOW),
    ).toMatchObject({
      names: ["shop"],
      serials: ["0A:bc"],
      actors: ["alice smith"],
      words: ["timeout"],
      before: Date.UTC(2026, 0, 2),
      since: NOW - 7 * DAY_MS,
    });
  });

  test("a word with a colon that is no token is a word", () => {
    expect(readTokens("constructor:x 10:30 urn:ietf", NOW).words).toEqual(["constructor:x", "10:30", "urn:ietf"]);
  });

  test.each([
    ["state:broken", 'q: state: "broken" is none of planned'],
    ["serial:xyz", "q: serial: must be hex"],
    ["before:yesterday", "q: before: must be a date"],
    ["before:2026-99-99", "q: before: must be a date"],
    ["x".repeat(501), "q: must be at most 500"],
    ["a ".repeat(21), "q: takes at most 20"],
  ])("is refused by its name: %s", (text, message) => {
    expect(() => readTokens(text, NOW)).toThrow(message);
  });

  test("a token is set without touching the others", () => {
    expect(withToken("name:shop state:failed broken", "state", ["held"])).toBe("name:shop broken state:held");
    expect(withToken("a", "actor", ['x" state:failed'])).toBe('a actor:"x state:failed"');
    expect(valuesOf("state:failed x state:held", "state")).toEqual(["failed", "held"]);
  });

  test("a cursor of another list is refused", () => {
    const after = Buffer.from('["text","id"]').toString("base64url");
    expect(() => readHistoryQuery(new URLSearchParams({ after }), NOW)).toThrow("after: is no cursor");
  });
});

test.each(["certifcate:www", "nmae:www", "targets:lb", "stte:failed", "errror:acme."])(
  "%s is a mistake and finds nothing silently",
  (q) => {
    expect(() => readTokens(q, NOW)).toThrow("did you mean");
  },
);

test.each(["http://ca.example", "2026-11-01T10:00", "AB:CD:EF", "fq:1"])("%s is a word", (q) => {
  expect(readTokens(q, NOW).words).toEqual([q]);
});
