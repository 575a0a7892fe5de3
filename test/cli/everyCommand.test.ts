// What holds for all commands, taken from the program itself so that a new one is included.
import { Ajv2020 } from "ajv/dist/2020.js";
import type { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { jsonDocuments } from "../../scripts/jsonDocuments.ts";
import { createProgram, runCommandLine } from "../../src/cli/program.ts";
import { displayWidth } from "../../src/cli/terminal/text.ts";
import { endpointStatus, renewal, version } from "../support/model/facts.ts";
import { configText, createInstallation, type Installation, runCaptured } from "../support/system/installation.ts";

const DAY_MS = 86_400_000;
const LONG = "a-certificate-with-a-very-long-name.of-a-department.example.org";
const SILENT = { write: () => true };

interface Leaf {
  readonly path: string;
  /** Its arguments and options that cannot be left out. */
  readonly needed: readonly string[];
}

function leaves(command: Command, path: readonly string[]): Leaf[] {
  if (command.commands.length > 0) return command.commands.flatMap((each) => leaves(each, [...path, each.name()]));
  const args = command.registeredArguments.filter(({ required }) => required).map(() => "x");
  const options = command.options.filter(({ mandatory }) => mandatory).flatMap(({ long }) => [long ?? "", "x"]);
  return [{ path: path.join(" "), needed: [...args, ...options] }];
}
const COMMANDS = leaves(createProgram({ stdout: SILENT, stderr: SILENT, exitCode: 0 }), []);

const ajv = new Ajv2020({ strict: false, allErrors: true }).addSchema(jsonDocuments().schema, "documents");
const isError = ajv.getSchema("documents#/$defs/Error") ?? expect.unreachable();

test("there are as many commands as the reference has", () => {
  expect(COMMANDS.length).toBeGreaterThan(40);
});

describe("a mistake on the command line is a JSON document with --json, exit code 2:", () => {
  test.each(COMMANDS)("renewd $path --no-such-option", async ({ path }) => {
    const { stdout, code } = await runCaptured([...path.split(" "), "--json", "--no-such-option"]);
    expect([code, isError(JSON.parse(stdout))], stdout).toEqual([2, true]);
  });

  test.each(COMMANDS)("renewd $path --json=yes", async ({ path }) => {
    const { stdout, code } = await runCaptured([...path.split(" "), "--json=yes"]);
    expect([code, isError(JSON.parse(stdout))], stdout).toEqual([2, true]);
  });

  // They answer without a configuration, check it, or would write one.
  const offline = /^(targets|solvers|channels|errors|completion|scan|config|doctor|init)\b/;
  test.each(COMMANDS.filter(({ path }) => !offline.test(path)))(
    "renewd -c /nonexistent.yaml $path",
    async (command) => {
      const { stdout, code } = await runCaptured([
        ...["-c", "/nonexistent.yaml", "--no-input", "--json"],
        ...command.path.split(" "),
        ...command.needed,
      ]);
      expect([code, isError(JSON.parse(stdout))], stdout).toEqual([2, true]);
    },
  );
});

describe.each([60, 80])("on a terminal of %i columns no table is wider:", (columns) => {
  let installation: Installation;
  beforeAll(async () => {
    installation = await createInstallation(configText([LONG, "www"]));
    const { store } = installation;
    const leaf = { ...version().leaf, notBefore: Date.now() - 30 * DAY_MS, notAfter: Date.now() + 2 * DAY_MS };
    await installation.issue(version({ certificate: LONG, leaf }));
    const endpoint = `${LONG}@127.0.0.1:1`;
    const wrong = {
      proved: false,
      errorCode: "verify.stale",
      errorMessage: `127.0.0.1 serves ${"another ".repeat(30)}`,
    };
    await store.observations.record(endpointStatus({ certificate: LONG, endpoint, ...wrong }), []);
    await store.renewals.insert(
      renewal({
        id: "aaaaaaaa-1",
        certificate: LONG,
        state: "issuing",
        errorCode: "acme.dns",
        errorMessage: "no ".repeat(60),
      }),
    );
    await installation.run("pause", "www", "--reason", "because it is moved to another data centre ".repeat(4));
  });
  afterAll(() => installation[Symbol.asyncDispose]());

  test.each([
    ["status"],
    ["certificates"],
    ["certificates", LONG],
    ["plan"],
    ["history"],
    ["history", LONG],
    ["show", "aaaaaaaa"],
    ["doctor"],
    ["leftovers"],
    ["replace", "status"],
    ["drill", "--list"],
    ["horizon"],
    ["report", "--week"],
    ["alerts", "list"],
    ["alerts", "rules"],
    ["challenges", "list", "--own"],
    ["targets"],
    ["channels"],
    ["audit", "verify"],
    ["config", "check"],
  ])("renewd %s %s", async (...args) => {
    const lines = await onTerminal(columns, ["-c", installation.configFile, ...args]);
    expect(lines.length).toBeGreaterThan(0);
    // Sentences and what is to be copied are left to the terminal; the rows of a table would be torn.
    const torn = lines.filter((line) => displayWidth(line) > columns && /\S {2,}\S.* {2,}\S/.test(line));
    expect(torn).toEqual([]);
  });
});

async function onTerminal(columns: number, args: readonly string[]): Promise<string[]> {
  const text: string[] = [];
  const stdout = { write: (piece: string) => text.push(piece), isTTY: true, columns, hasColors: () => false };
  await runCommandLine(args, { stdout, stderr: SILENT });
  return text.join("").split("\n");
}
