// biome-ignore-all lint/suspicious/noTemplateCurlyInString: these are variables of the shell.
import { execFile } from "node:child_process";
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { manPage } from "../../src/cli/manPage.ts";
import { runCaptured } from "../support/system/installation.ts";

/** What bash offers after these words, of which the last one is being typed. */
async function offered(words: readonly string[]): Promise<string[]> {
  const { stdout: script } = await runCaptured(["completion", "bash"]);
  const file = join(await mkdtemp(join(tmpdir(), "renewd-completion-")), "renewd");
  await writeFile(file, script);
  const { stdout } = await promisify(execFile)("bash", [
    ...[
      "-euc",
      'source "$1"; shift; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _renewd; printf "%s\\n" "${COMPREPLY[@]}"',
    ],
    ...["bash", file, ...words],
  ]);
  return stdout.trim().split("\n");
}

describe("completion", () => {
  test.each([
    [["renewd", "sta"], ["status"]],
    [
      ["renewd", "replace", "sta"],
      ["start", "status"],
    ],
    [["renewd", "worker", "pl"], ["planner"]],
    [["renewd", "-c", "/etc/x.yaml", "history", "--fai"], ["--failed"]],
    [["renewd", "pause", "--js"], ["--json"]],
    [["renewd", "errors", "web.unt"], ["web.untrusted"]],
    [["renewd", "revoke", "www", "--reason", "super"], ["superseded"]],
    [["renewd", "revoke", "--reason", "x", "--ye"], ["--yes"]],
    [["renewd", "plan", "--against", "package-l"], ["package-lock.json"]],
    [["renewd", "restore", "package-l"], ["package-lock.json"]],
    [["renewd", "replace", "start", "--serials", "package-l"], ["package-lock.json"]],
    [["renewd", "pause", "www", "--reason", "p"], [""]],
  ])("bash, after %j, offers %j", async (words, expected) => {
    expect(await offered(words)).toEqual(expected);
  });

  test("bash asks the configuration or the server of the line for names, a URL included", async () => {
    const directory = await mkdtemp(join(tmpdir(), "renewd-completion-"));
    await writeFile(join(directory, "script"), (await runCaptured(["completion", "bash"])).stdout);
    await writeFile(
      join(directory, "renewd"),
      '#!/bin/sh\necho "$@" > "$0.asked"\nprintf \'"certificate": "www",\\n\'\n',
      { mode: 0o755 },
    );
    const line = "renewd --server http://127.0.0.1:8280 --token file:/t renew w";
    const script = `source "$1/script"; COMP_LINE="$2"; COMP_POINT=\${#2}; _renewd; printf "%s\\n" "\${COMPREPLY[@]}"`;
    const env = { PATH: `${directory}:${process.env.PATH}` };
    const { stdout } = await promisify(execFile)("bash", ["-euc", script, "bash", directory, line], { env });
    expect(stdout.trim()).toBe("www");
    const asked = await readFile(join(directory, "renewd.asked"), "utf8");
    expect(asked.trim()).toBe("--server http://127.0.0.1:8280 --token file:/t certificates --json");
  });

  test("descriptions are whole", async () => {
    const { stdout } = await runCaptured(["completion", "fish"]);
    for (const [, about = ""] of stdout.matchAll(/ -d '([^']*)'/g)) {
      expect(about).toBe(about.trim());
      expect(about.split("(").length, about).toBe(about.split(")").length);
    }
  });

  test.each(["bash", "zsh", "fish"])("%s knows every command", async (shell) => {
    const { stdout, code } = await runCaptured(["completion", shell]);
    expect(code).toBe(0);
    for (const command of ["status", "acknowledge", "history", "replace", "completion"])
      expect(stdout).toContain(command);
  });
});

test("the manual page has every command and no line that is a request by mistake", () => {
  const page = manPage();
  for (const command of ["status", "replace status", "worker", "acknowledge"])
    expect(page).toContain(`renewd ${command}\\fR`);
  const requests = page.split("\n").filter((line) => line.startsWith("."));
  for (const line of requests) expect(line).toMatch(/^\.(\\"|TH|SH|SS|TP|B|I)( |$)/);
});
