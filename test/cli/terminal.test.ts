import { stripVTControlCharacters } from "node:util";
import stringWidth from "string-width";
import { describe, expect, test } from "vitest";
import { createOutput } from "../../src/cli/output.ts";
import { renderCertificate } from "../../src/cli/render/certificates.ts";
import { paint } from "../../src/cli/terminal/style.ts";
import { renderTable } from "../../src/cli/terminal/table.ts";
import { displayWidth, inertJson, truncate, withAdvice, wrap, wrapAdvice } from "../../src/cli/terminal/text.ts";
import { inert } from "../../src/domain/text.ts";
import { certificatesReport } from "../../src/reports/certificates.ts";
import { modelCertificate, Workbench } from "../support/model/workbench.ts";

const HOSTILE = [
  ["a window title", "\u001b]0;owned\u0007", "\\x1b]0;owned\\x07"],
  ["colours", "\u001b[31mred", "\\x1b[31mred"],
  ["an eight-bit escape", "\u009b2J", "\\x9b2J"],
  ["a forged line", "fine\r\nrenewd: all good", "fine\\x0d\\x0arenewd: all good"],
  ["text that runs backwards", "\u202egnp.exe", "\\u{202e}gnp.exe"],
  ["an invisible space", "a\u200bb", "a\\u{200b}b"],
  ["a line separator", "a\u2028b", "a\\u{2028}b"],
  ["deletion", "a\u007fb", "a\\x7fb"],
  ["a tag character", "a\u{e0041}b", "a\\u{e0041}b"],
] as const;

describe("foreign text", () => {
  test.each(HOSTILE)("with %s is shown and does nothing", (_, text, shown) => {
    expect(inert(text)).toBe(shown);
  });

  test.each(HOSTILE)("with %s is inert in JSON too and means the same", (_, text) => {
    const json = inertJson({ text });
    expect(JSON.parse(json)).toEqual({ text });
    expect(json.replaceAll("\n", "")).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u);
  });

  test("keeps letters of every script", () => {
    expect(inert("bücher 日本語 🔒 é")).toBe("bücher 日本語 🔒 é");
  });

  test("is made inert before it is coloured", () => {
    const painted = paint({ width: 80, colours: true }, "wrong", "\u001b[2J");
    expect(painted).toBe("\u001b[31m\\x1b[2J\u001b[39m");
  });
});

describe("widths", () => {
  test("a certificate with forty names fits a screen of eighty columns", async () => {
    const identifiers = Array.from({ length: 40 }, (_, at) => ({ type: "dns" as const, value: `n${at}.example.org` }));
    const all = [modelCertificate("www", { identifiers })];
    await using bench = await Workbench.open(all);
    await bench.begin();
    await bench.work();
    const { certificates, at } = await certificatesReport(bench.store, all, bench.now);
    const [entry] = certificates;
    if (entry === undefined) throw new Error("the certificate is not reported");
    const text = renderCertificate(entry, at, { width: 80, colours: false });
    expect(text).toContain("n39.example.org");
    expect(text.split("\n").filter((line) => displayWidth(line) > 80)).toEqual([]);
  });

  test.each([
    ["abc", 3],
    ["日本", 4],
    ["e\u0301", 1],
    ["🔒", 2],
    ["", 0],
  ])("%j takes %i columns", (text, width) => {
    expect(displayWidth(text)).toBe(width);
  });

  test("every letter and sign is as wide as the usual package says", () => {
    // Alone, these are no character; what is unassigned may become any.
    const isAlone = (character: string) => !/[\p{C}\p{M}\p{Regional_Indicator}\p{Emoji_Modifier}]/u.test(character);
    const wrong: string[] = [];
    for (let first = 0; first < 0x40000; first += 0x40) {
      const codes = Array.from({ length: 0x40 }, (_, index) => first + index);
      const text = codes
        .map((code) => String.fromCodePoint(code))
        .filter(isAlone)
        .join(" ");
      if (displayWidth(text) !== stringWidth(text)) wrong.push(first.toString(16));
    }
    expect(wrong).toEqual([]);
  });

  test.each(["👍🏽", "👩‍👩‍👧", "🇩🇪", "❤️", "1️⃣", "ñ", "각", "กำ", "क्षि", "ｶﾞ", "bücher.example – 日本語 🔒"])(
    "%s is as wide as the usual package says",
    (text) => {
      expect(displayWidth(text)).toBe(stringWidth(text));
    },
  );

  test.each([
    ["abcdef", 4, "abc…"],
    ["abcd", 4, "abcd"],
    ["日本語", 4, "日…"],
    ["a b c d", 4, "a b…"],
    ["abc", 1, "…"],
  ])("%j cut to %i columns is %j", (text, width, cut) => {
    expect(truncate(text, width)).toBe(cut);
    expect(displayWidth(truncate(text, width))).toBeLessThanOrEqual(width);
  });

  test("long text is wrapped at spaces, a long word goes on in the next line, too many lines end in …", () => {
    expect(wrap("the quick brown fox", 10)).toEqual(["the quick", "brown fox"]);
    expect(wrap("a incomprehensibilities b", 8)).toEqual(["a", "incompre", "hensibil", "ities b"]);
    expect(wrap("one two three four", 9, 1)).toEqual(["one two …"]);
    expect(wrap("one two three", Number.POSITIVE_INFINITY)).toEqual(["one two three"]);
  });

  test("what is to be done is never cut, and each command of it can be copied as one line", () => {
    expect(wrapAdvice("Run `one two three`, then incomprehensibilities.", 10)).toEqual([
      "Run",
      "`one two three`,",
      "then",
      "incomprehe",
      "nsibilitie",
      "s.",
    ]);
    expect(wrapAdvice("an open ` is none", 9)).toEqual(["an open `", "is none"]);
  });
});

describe("a table", () => {
  test("that cannot fit leaves out whole columns in their order instead of cutting one to nothing", () => {
    const columns = [
      { title: "CERTIFICATE", widthMin: 14 },
      { title: "SERIAL", widthMin: 12, dropOrder: 2 },
      { title: "EXPIRES", dropOrder: 1 },
      { title: "STATE" },
    ];
    const rows = [["www.shop.example.org", "0A1B2C3D4E5F6071", "in 47 d 3 h", "proved live"]];
    const lines = (width: number) => renderTable(columns, rows, { width, colours: false });
    expect(lines(80)[1]).toBe("www.shop.example.org  0A1B2C3D4E5F6071  in 47 d 3 h  proved live");
    expect(lines(48)[1]).toBe("www.shop.example.org  in 47 d 3 h  proved live");
    expect(lines(33)[0]).toBe("CERTIFICATE           STATE");
    for (const width of [80, 60, 48, 33])
      for (const line of lines(width)) expect(displayWidth(line)).toBeLessThanOrEqual(width);
  });

  const columns = [
    { title: "NAME", widthMin: 6 },
    { title: "N", align: "right" as const },
    { title: "WHY", widthMin: 5 },
  ];
  const rows = [
    ["www", "7", "short"],
    ["a-rather-long-name", "12", { text: "and a long reason for it", style: "wrong" as const }],
  ];

  test("aligns its columns and trails no spaces", () => {
    expect(renderTable(columns, rows, { width: Number.POSITIVE_INFINITY, colours: false })).toEqual([
      "NAME                 N  WHY",
      "www                  7  short",
      "a-rather-long-name  12  and a long reason for it",
    ]);
  });

  test.each([60, 40, 30, 20])("fits %i columns by cutting the widest first", (width) => {
    const lines = renderTable(columns, rows, { width, colours: false });
    for (const line of lines) expect(displayWidth(line)).toBeLessThanOrEqual(width);
    expect(lines[2]).toContain("12");
  });

  test("keeps its alignment under colours", () => {
    const plain = renderTable(columns, rows, { width: 40, colours: false });
    const coloured = renderTable(columns, rows, { width: 40, colours: true });
    expect(coloured.join("\n")).toContain("\u001b[31m");
    expect(coloured.map((line) => stripVTControlCharacters(line).trimEnd())).toEqual(plain);
  });

  test("a sentence in a narrow table goes on below itself, and nothing of it is lost", () => {
    const columns = [{ title: "NAME" }, { title: "WHY", widthMin: 10, wraps: true }, { title: "NEXT" }];
    const rows = [
      ["www", "not due: /a/path/that/is/long", "in 2 d"],
      ["shop", "paused", "-"],
    ];
    expect(renderTable(columns, rows, { width: 28, colours: false })).toEqual([
      "NAME  WHY             NEXT",
      "www   not due:        in 2 d",
      "      /a/path/that/i",
      "      s/long",
      "shop  paused          -",
    ]);
  });

  test("cannot be broken by a cell", () => {
    const [, line] = renderTable([{ title: "X" }], [["a\nb\u001b[1A"]], { width: 80, colours: false });
    expect(line).toBe("a\\x0ab\\x1b[1A");
  });
});

describe("output", () => {
  const stream = (isTTY: boolean, hasColors: boolean) => ({
    write: () => true,
    isTTY,
    columns: 100,
    hasColors: () => hasColors,
  });

  test.each([
    ["a terminal with colours", true, true, true, { width: 100, colours: true }],
    ["a terminal under NO_COLOR", true, false, true, { width: 100, colours: false }],
    ["a terminal with --no-color", true, true, false, { width: 100, colours: false }],
    ["a pipe", false, true, true, { width: Number.POSITIVE_INFINITY, colours: false }],
  ])("to %s", (_, isTTY, hasColors, color, screen) => {
    const streams = { stdout: stream(isTTY, hasColors), stderr: stream(isTTY, hasColors) };
    expect(createOutput(streams, { json: false, color }).screen).toEqual(screen);
  });
});

test.each([
  ["the name server did not answer", "Ask another.", "the name server did not answer. Ask another."],
  ["Is it on?", "Look.", "Is it on? Look."],
  ["all is well", null, "all is well"],
])("what was found and what to do are two sentences: %s", (found, advice, sentences) => {
  expect(withAdvice(found, advice)).toBe(sentences);
});
