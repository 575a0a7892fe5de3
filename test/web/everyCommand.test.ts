// Each command, once on renewd's machine and once through the API of another, equal installation.
import { once } from "node:events";
import { writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { Command } from "commander";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createProgram } from "../../src/cli/program.ts";
import { nodeListener } from "../../src/web/nodeListener.ts";
import { fillWatched } from "../store/watchedTests.ts";
import { alert, NOW, renewal, sighting, version } from "../support/model/facts.ts";
import { runCaptured } from "../support/system/installation.ts";
import { createWebEstate, type WebEstate } from "../support/system/webEstate.ts";

const HELD = "aaaaaaaa-0000-4000-8000-000000000001";
const CHANNEL = {
  shell: { type: "command", command: ["/bin/true"] },
  broken: { type: "command", command: ["/bin/false"] },
};

async function create(): Promise<WebEstate> {
  const estate = await createWebEstate({ names: ["www", "api", "shop"], sections: { notifications: CHANNEL } });
  const { store, installation } = estate;
  await installation.issue(version({ certificate: "www" }));
  await store.deployments.want("www", ["lb"], 1);
  await store.renewals.insert(renewal({ id: HELD, certificate: "api", state: "failed", errorCode: "acme.dns" }));
  await store.alerts.save(alert({ notifiedAt: NOW, channels: ["shell"] }));
  await store.inventory.record([sighting()], NOW);
  const receipt = { keyFile: "/nonexistent/old.pem" };
  await fillWatched(store);
  await store.leftTargets.add({ certificate: "www", target: "old", receipt, leftAt: 1_700_000_000_000 });
  return estate;
}

let here: WebEstate;
let there: WebEstate;
let server: ReturnType<typeof createServer>;
let url = "";
beforeAll(async () => {
  [here, there] = [await create(), await create()];
  server = createServer(nodeListener(there.app, there.web.readers)).listen(0, "127.0.0.1");
  await once(server, "listening");
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(async () => {
  server.close();
  server.closeAllConnections();
  await here[Symbol.asyncDispose]();
  await there[Symbol.asyncDispose]();
});

const local = (...args: string[]) => here.installation.run(...args);
const remote = (...args: string[]) => runCaptured(["--server", url, "--token", there.token, ...args]);

/** Without what differs between two installations, and passes by itself. */
function still(text: string): string {
  const places = [here, there].map(({ installation }) => installation.directory);
  return places
    .reduce((all, place) => all.replaceAll(place, "DIR"), text)
    .replace(/ -c \S+/g, "")
    .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}/g, (id) => (id === HELD ? id : "ID"))
    .replace(/\d{4}-\d\d-\d\d(T| )\d\d:\d\d(:\d\d(\.\d{3})?)?Z?/g, "INSTANT")
    .replace(/\b(in )?\d+(\.\d+)? (ms|s|min|h|d)\b( \d+ (s|min|h|d)\b)*|at once/g, "LONG")
    .replace(/\b[0-9a-f]{8}\b/g, "ID")
    .replace(/"(durationMs|elapsedMs|bytes)": [\d.]+/g, '"$1": 0')
    .replace(/"head": "\d+:[^"]+"/, '"head": "SEAL"')
    .replace(/"events": \d+|"last": \d+/g, "COUNT")
    .replace(/ with api\.token/g, "")
    .replace(/after \d+ (attempts?|tries)/g, "after some")
    .replace(/ +/g, " ");
}

/** In an order in which each finds what it needs; `--json` is added, and the text is compared as well. */
const ANYWHERE: readonly (readonly string[])[] = [
  ["status"],
  ["certificates"],
  ["certificates", "www"],
  ["plan"],
  ["plan", "www"],
  ["history"],
  ["history", "api", "--failed", "--since", "2026-01-01"],
  ["show", HELD],
  ["replace", "status"],
  ["drill", "--list"],
  ["horizon"],
  ["report", "--week"],
  ["horizon", "--within", "90d"],
  ["horizon", "--within", "soon"],
  ["audit", "verify"],
  ["audit", "verify", "--head", "x"],
  ["challenges", "list", "--own"],
  ["challenges", "list"],
  ["challenges", "list", "www", "--remove", "nothing"],
  ["watched"],
  ["watched", "nobody"],
  ["served", "192.0.2.1"],
  ["served", "192.0.2.1", "--at", "1d"],
  ["served", "nobody"],
  ["diff", "192.0.2.1", "192.0.2.1@1d"],
  ["leftovers"],
  ["leftovers", "--forget"],
  ["check", "www"],
  ["check", "--all"],
  ["check", "nobody"],
  ["notify", "shell"],
  ["notify"],
  ["notify", "nobody"],
  ["dial", "www"],
  ["dial", "nobody"],
  ["account", "show", "ca"],
  ["account", "show", "nobody"],
  ["acknowledge", "nobody", "--reason", "x"],
  ["acknowledge", "www", "--reason", "known", "--until", "2d"],
  ["acknowledge", "www", "--withdraw"],
  ["acknowledge", "www", "--withdraw"],
  ["inventory"],
  ["inventory", "list", "--unmanaged", "--source", "hosts", "--expiring", "3650d"],
  ["inventory", "key", "ffffff"],
  ["inventory", "key", "000000"],
  ["inventory", "adopt", "ffffff"],
  ["inventory", "ignore", "ffffff", "--reason", "theirs", "--until", "9d"],
  ["inventory", "ignore", "ffffff", "--withdraw"],
  ["inventory", "ignore", "ffffff", "--withdraw"],
  ["alerts"],
  ["alerts", "0badcafe"],
  ["alerts", "list", "--all"],
  ["alerts", "rules"],
  ["alerts", "acknowledge", "0badcafe", "--reason", "I am on it"],
  ["alerts", "acknowledge", "nothing", "--reason", "x"],
  ["alerts", "acknowledge", "0badcafe", "--withdraw"],
  ["alerts", "acknowledge", "0badcafe", "--withdraw"],
  ["alerts", "exercise"],
  ["alerts", "test", "nothing"],
  ["alerts", "test", "clock"],
  ["pause", "www", "--reason", "a freeze", "--until", "2d"],
  ["pause", "www", "--reason", "x", "--until", "2020-01-01"],
  ["pause", "nobody", "--reason", "x"],
  ["resume", "www"],
  ["resume", "nobody"],
  ["retry", "shop"],
  ["retry", "nobody"],
  ["rollback", "www"],
  ["rollback", "nobody"],
  ["revoke", "www", "--reason", "superseded", "--yes", "--no-input"],
  ["revoke", "nobody", "--reason", "superseded", "--yes"],
  ["replace", "--issuer", "ca", "--deadline", "24h", "--dry-run"],
  ["replace", "--deadline", "24h"],
  ["replace", "--issuer", "ca", "--deadline", "24h", "--reason", "x"],
  ["replace", "cancel", "nothing"],
  ["drill", "www", "--dry-run"],
  ["drill"],
  ["drill", "nobody"],
  ["drill", "--label", "team=nobody"],
  ["drill", "www", "--as", "expired", "--deadline", "2h", "--reason", "x", "--yes"],
  ["drill", "--list"],
  ["drill", "nothing", "--list"],
  ["deploy", "www"],
  ["deploy", "shop"],
  ["deploy", "nobody"],
  ["renew", "shop", "--force", "--reason", "x"],
  ["renew", "nobody"],
];

describe("prints the same, with the same exit code, here and through the API:", () => {
  test.each([
    ["status"],
    ["certificates"],
    ["plan"],
    ["history"],
    ["leftovers"],
    ["challenges list --own"],
    ["notify"],
  ])("as text: renewd %s", async (line) => {
    const [one, other] = [await local(...line.split(" ")), await remote(...line.split(" "))];
    expect(still(other.stdout)).toBe(still(one.stdout));
    expect(other.code).toBe(one.code);
  });

  test.each(ANYWHERE.map((args) => [args.join(" "), args] as const))("renewd %s", async (_, args) => {
    const [one, other] = [await local(...args, "--json"), await remote(...args, "--json")];
    // It may be a renewal's id here; there, the path says that it is a certificate's name.
    if (/^(retry|rollback) nobody$/.test(args.join(" "))) expect(other.stdout).toContain("is not configured");
    else expect(still(other.stdout)).toBe(still(one.stdout));
    expect(other.code, `${one.stderr} | ${other.stderr}`).toBe(one.code);
    expect(one.stdout).not.toBe("");
  });

  test("renewd doctor, but for targets, which the web role does not touch", async () => {
    const checks = ({ stdout }: { stdout: string }): unknown =>
      (JSON.parse(still(stdout)) as { checks: { area: string; subject: string; result: string }[] }).checks
        .filter(({ area }) => area !== "targets")
        .map(({ area, subject, result }) => [area, subject, result]);
    const [one, other] = [await local("doctor", "--json"), await remote("doctor", "--json")];
    expect(checks(other)).toEqual(checks(one));
    expect(other.code).toBe(one.code);
    expect(other.stdout).toContain("the web role touches no target");
  });
});

/** With what keeps each of them here. */
const HERE_ONLY: Readonly<Record<string, readonly string[]>> = {
  discover: [],
  run: [],
  worker: ["planner"],
  open: [],
  "certificates add": ["shop"],
  "certificates edit": ["shop"],
  "certificates remove": ["shop"],
  "certificates import": ["x"],
  "certificates export": [],
  import: ["www", "--certificate", "x", "--key", "x"],
  "challenges delegate": ["www"],
  "challenges persist": ["www"],
  backup: ["x"],
  restore: ["x"],
  "store migrate": [],
  "store copy": ["--to-config", "x"],
  "store reopen": [],
  "audit accept": ["--reason", "x"],
  init: [],
  "config check": [],
  "config schema": [],
  targets: [],
  solvers: [],
  "solvers acme.sh": ["dns_cf"],
  channels: [],
  errors: [],
  completion: ["bash"],
  scan: ["127.0.0.1:1"],
  "account rollover": ["ca"],
  "account contact": ["ca"],
  "account deactivate": ["ca", "--yes"],
};

test.each(Object.entries(HERE_ONLY))("renewd %s says in one line why it takes no --server", async (command, args) => {
  const { code, stderr } = await remote(...command.split(" "), ...args);
  expect(code).toBe(2);
  expect(stderr).toMatch(new RegExp(`--server: \`renewd ${command.replace(".", "\\.")}\`.*(only: .+|leave it out)`));
});

test("what a command does with files of renewd's machine is refused as well", async () => {
  expect((await remote("leftovers", "--remove")).stderr).toContain("run it there");
  const file = join(here.installation.directory, "old.yaml");
  await writeFile(file, "version: 1");
  expect((await remote("plan", "--against", file)).stderr).toContain("without --server");
});

function leaves(command: Command, path: readonly string[] = []): string[] {
  if (command.commands.length === 0) return [path.join(" ")];
  return command.commands.flatMap((each) => leaves(each, [...path, each.name()]));
}

test("no command is missing here: a new one works elsewhere, or says why not", () => {
  const streams = { write: () => true, isTTY: false, columns: 80 };
  const program = createProgram({ stdout: streams, stderr: streams, exitCode: 0 });
  const driven = new Set([
    ...ANYWHERE.map((args) => args.slice(0, 2).join(" ")),
    ...ANYWHERE.map(([first = ""]) => first),
    ...Object.keys(HERE_ONLY),
    // The default of its parent, in both tables under the parent's name; and what a planner has to carry out.
    ...["certificates list", "replace start", "doctor", "rehearse"],
  ]);
  expect(leaves(program).filter((path) => !driven.has(path))).toEqual([]);
});
