// Completion as the shells themselves do it: zsh and fish are started and asked, as at a terminal.
import { execFile } from "node:child_process";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { configText, createInstallation, type Installation, runCaptured } from "../support/system/installation.ts";

const MAIN = new URL("../../src/cli/main.ts", import.meta.url).pathname;
const execute = promisify(execFile);

let directory: string;
let installation: Installation;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-completion-"));
  installation = await createInstallation(configText(["www", "api"]));
  // What a completion asks for the names of certificates.
  const command = join(directory, "renewd");
  await writeFile(command, `#!/bin/sh\nexec "${process.execPath}" "${MAIN}" -c "${installation.configFile}" "$@"\n`);
  await chmod(command, 0o755);
  for (const shell of ["zsh", "fish", "bash"])
    await writeFile(join(directory, shell), (await runCaptured(["completion", shell])).stdout);
});
afterAll(async () => {
  await rm(directory, { recursive: true });
  await installation[Symbol.asyncDispose]();
});

async function run(program: string, args: readonly string[]): Promise<string> {
  const env = { HOME: directory, PATH: `${directory}:${process.env.PATH}`, TERM: "dumb", LANG: "C.UTF-8" };
  const child = execute(program, args, { env, timeout: 60_000 });
  child.child.stdin?.end();
  return (await child).stdout;
}

/** The candidates, without what is said about each. */
async function fish(line: string): Promise<string[]> {
  const script = `source ${directory}/fish; complete -C ${JSON.stringify(line)}`;
  const output = await run("fish", ["--no-config", "-c", script]);
  return output
    .trim()
    .split("\n")
    .map((each) => each.split("\t")[0] ?? "")
    .sort();
}

/** What zsh shows after Tab: the list of candidates, and in `<<>>` the line as it is then. */
async function zsh(line: string, tabs = 1): Promise<string> {
  const script = join(directory, "ask.zsh");
  await writeFile(
    script,
    `zmodload zsh/zpty
zpty shell 'zsh -f -i'
zpty -w shell 'unsetopt prompt_cr prompt_sp; PS1=""; PS2=""; autoload -U compinit && compinit -D -u; source ${directory}/zsh; show() { print -r -- "<<$BUFFER>>" }; zle -N show; bindkey "^G" show; bindkey "^I" complete-word; LISTMAX=10000; print re""ady'
zpty -r shell seen '*ready*'
zpty -n -w shell "$1"$'${"\\t".repeat(tabs)}\\a'
zpty -r shell seen '*<<*>>*'
print -r -- "$seen"
zpty -d shell
`,
  );
  return run("zsh", ["-f", script, line]);
}

describe("fish", () => {
  test.each([
    ["renewd stat", ["status"]],
    ["renewd replace sta", ["start", "status"]],
    ["renewd worker pl", ["planner"]],
    ["renewd history --fai", ["--failed"]],
    ["renewd pause --js", ["--json"]],
    ["renewd completion z", ["zsh"]],
    ["renewd revoke www --reason super", ["superseded"]],
    ["renewd -c renewd.yaml errors web.unt", ["web.untrusted"]],
  ])("after `%s` offers %j", async (line, expected) => {
    expect(await fish(line)).toEqual(expected);
  });

  test("asks renewd for the names of certificates", async () => {
    expect(await fish("renewd plan ")).toEqual(expect.arrayContaining(["api", "www"]));
  });
});

describe("zsh", () => {
  test.each([
    ["renewd docto", "<<renewd doctor >>"],
    ["renewd worker pl", "<<renewd worker planner >>"],
    ["renewd history --fai", "<<renewd history --failed >>"],
    ["renewd plan ww", "<<renewd plan www >>"],
    ["renewd --config=x plan ww", "<<renewd --config=x plan www >>"],
    ["renewd revoke www --reason supers", "<<renewd revoke www --reason superseded >>"],
  ])("completes `%s` to %s", async (line, expected) => {
    expect(await zsh(line)).toContain(expected);
  });

  test("lists what fits, with what each does", async () => {
    const shown = await zsh("renewd replace sta", 2);
    expect(shown).toMatch(/start +-- /);
    expect(shown).toMatch(/status +-- /);
  });
});

test("bash asks renewd for the names of certificates", async () => {
  const script = `source ${directory}/bash; COMP_WORDS=(renewd plan w); COMP_CWORD=2; _renewd; printf "%s\\n" "\${COMPREPLY[@]}"`;
  expect((await run("bash", ["-euc", script])).trim()).toBe("www");
});
