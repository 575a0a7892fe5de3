// Every `renewd …` that a text of renewd tells people to type is a command with these options and arguments.
import { globSync, readFileSync } from "node:fs";
import type { Command } from "commander";
import { expect, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { ERRORS } from "../../src/domain/errorTable.ts";

const ROOT = new URL("../..", import.meta.url).pathname;
const program = createProgram({ stdout: { write: () => true }, stderr: { write: () => true }, exitCode: 0 });
/** As source text spells them: a backtick in a template has a backslash before it. */
const TYPED = /\\?`(?:sudo -u \S+ )?renewd((?: [^`"\n]*?)?)\\?`/g;

/** Why it cannot be typed; null: it can. */
/** Options without which it refuses what it is given. */
function neededOptions(command: Command): string[] {
  const mandatory = command.options.filter((each) => each.mandatory).map(({ long }) => long ?? "");
  return command.name() === "acknowledge" ? [...mandatory, "--reason"] : mandatory;
}

function faultOf(typed: string): string | null {
  const words = typed
    .trim()
    .split(/\s+/)
    .filter((word) => word !== "");
  let command: Command = program;
  let given = 0;
  for (let at = 0; at < words.length; at += 1) {
    const word = words[at] ?? "";
    const child = given === 0 ? command.commands.find((each) => each.name() === word) : undefined;
    if (child !== undefined) command = child;
    else if (word.startsWith("-")) {
      const [name = ""] = word.split("=", 1);
      const option = [command, ...ancestors(command)]
        .flatMap((each) => each.options)
        .find(({ long, short }) => [long, short].includes(name));
      if (option === undefined && name !== "--help" && name !== "--version") return `no option ${name}`;
      if (option?.required === true && !word.includes("=")) at += 1;
    } else if (word !== "…") given += 1;
  }
  // Which of its commands is chosen where the text is made.
  if (command.commands.length > 0 && words.includes("VALUE")) return null;
  const args = command.registeredArguments;
  // A command that is only called by its name is no line to type.
  const missing = given === 0 ? undefined : neededOptions(command).find((name) => !words.includes(name));
  if (missing !== undefined) return `lacks ${missing}`;
  if (command.commands.length > 0 && given > 0) return `no command ${words.join(" ")}`;
  if (given > args.length && !args.some(({ variadic }) => variadic))
    return `${given} arguments, and it takes ${args.length}`;
  return null;
}

function ancestors({ parent }: Command): Command[] {
  return parent === null ? [] : [parent, ...ancestors(parent)];
}

function typedIn(text: string): string[] {
  return [...text.matchAll(TYPED)].map(([, typed = ""]) =>
    typed.replace(/\$\{[^}]*\}/g, "VALUE").replace(/ \| .*/, ""),
  );
}

/** Without templates that begin with the word: a backtick of a text is escaped, in a string or in a comment. */
function texts(source: string): string {
  const isText = (line: string, at: number): boolean =>
    /^\s*(\*|\/\/|\/\*)/.test(line) || line.slice(0, at).replace(/\\"/g, "").split('"').length % 2 === 0;
  const lines = source
    .split("\n")
    .map((line) => line.replace(/(?<!\\)`/g, (tick, at: number) => (isText(line, at) ? tick : "\u0000")));
  return lines.join("\n");
}

test("what is not a command, an option or an argument is found", () => {
  for (const wrong of [
    " retri NAME",
    " retry NAME --soon",
    " status a b",
    " pause NAME",
    " acknowledge NAME",
    " store reopn",
  ])
    expect(faultOf(wrong), wrong).not.toBeNull();
  for (const right of ["", " -c FILE retry NAME", " alerts acknowledge ID --reason x"])
    expect(faultOf(right)).toBeNull();
});

test.each(Object.entries(ERRORS))("%s advises commands that exist", (_code, { action }) => {
  expect(typedIn(action).filter((typed) => faultOf(typed) !== null)).toEqual([]);
});

test("every text in the source names commands that exist", () => {
  const files = globSync("src/**/*.ts", { cwd: ROOT });
  const typed = files.flatMap((file) =>
    typedIn(texts(readFileSync(`${ROOT}${file}`, "utf8"))).map((each) => ({ file, each })),
  );
  expect(typed.length).toBeGreaterThan(150);
  expect(
    typed.flatMap(({ file, each }) => (faultOf(each) === null ? [] : [`${file}: renewd${each}: ${faultOf(each)}`])),
  ).toEqual([]);
});
