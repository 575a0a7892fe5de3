// docs/troubleshooting.md names codes that exist and lines that status prints.
import { readdir, readFile } from "node:fs/promises";
import { expect, it } from "vitest";
import { ERRORS } from "../../src/domain/errorTable.ts";

const at = (path: string): URL => new URL(`../../${path}`, import.meta.url);
const documented = (): Promise<string> => readFile(at("docs/troubleshooting.md"), "utf8");

/** A text of the source, with a wildcard for what it fills in. */
interface Template {
  readonly pattern: RegExp;
  readonly literal: string;
}

/** Each `${…}`, whatever braces and texts it holds, becomes one character. */
function withoutValues(source: string): string {
  let text = "";
  let depth = 0;
  for (let index = 0; index < source.length; index += 1) {
    const character = source[index] ?? "";
    if (depth > 0) depth += character === "{" ? 1 : character === "}" ? -1 : 0;
    else if (source.startsWith("${", index)) {
      text += "\u0000";
      depth = 1;
      index += 1;
    } else text += character;
  }
  return text;
}

/** Texts in quotes or backticks. */
function templatesIn(source: string): Template[] {
  const flat = withoutValues(source.replace(/^\s*(\/\/|\/?\*).*$/gm, ""));
  return [...flat.matchAll(/`([^`]*)`|"([^"\n]*)"/g)].map(([, template, plain]) => {
    const text = template ?? plain ?? "";
    const parts = text.split("\u0000").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    return { pattern: new RegExp(parts.join(".*")), literal: text.replaceAll("\u0000", "") };
  });
}

async function templates(): Promise<Template[]> {
  const files = (await readdir(at("src/reports"))).map((file) => `src/reports/${file}`);
  const texts = await Promise.all([...files, "src/compose/viewer.ts"].map((file) => readFile(at(file), "utf8")));
  // What is mostly filled in would fit every line.
  return texts.flatMap(templatesIn).filter(({ literal }) => literal.trim().length >= 8);
}

it("names only codes that exist", async () => {
  const codes = [...(await documented()).matchAll(/`([a-z][A-Za-z0-9]+\.[a-z][A-Za-z]+)`/g)].map(
    ([, code = ""]) => code,
  );
  const named = codes.filter((code) => !code.endsWith(".yaml"));
  expect(named.length).toBeGreaterThan(25);
  expect(named.filter((code) => !Object.hasOwn(ERRORS, code))).toEqual([]);
});

it("advises only commands that exist", async () => {
  const reference = await readFile(at("docs/cli.md"), "utf8");
  const known = new Set([...reference.matchAll(/^## `renewd ([a-z]+)/gm)].map(([, command]) => command));
  const advised = [...(await documented()).matchAll(/`renewd ([a-z]+)/g)].map(([, command]) => command);
  expect(advised.length).toBeGreaterThan(15);
  expect(advised.filter((command) => !known.has(command))).toEqual([]);
});

it("quotes only lines that status prints", async () => {
  const lines = [...(await documented()).matchAll(/^\| `([^`]*…[^`]*)` \|/gm)].map(([, line = ""]) => line);
  expect(lines.length).toBeGreaterThan(15);
  const all = await templates();
  const printed = (line: string): boolean => all.some(({ pattern }) => pattern.test(line));
  expect(printed("no such line is … printed")).toBe(false);
  expect(lines.filter((line) => !printed(line))).toEqual([]);
});
