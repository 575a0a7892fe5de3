import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, test } from "vitest";
import { type RenewalError, toRenewalError } from "../../../../src/domain/errors.ts";
import { acmeSh } from "../../../../src/solvers/dns/bridges/acmeSh.ts";
import { readInfo, readVariables, variableProblems } from "../../../../src/solvers/dns/bridges/acmeShInfo.ts";
import { certbotHooks } from "../../../../src/solvers/dns/bridges/certbotHooks.ts";
import { exec } from "../../../../src/solvers/dns/bridges/exec.ts";
import type { DnsProvider } from "../../../../src/solvers/dns/provider.ts";
import { createAcmeShHome } from "../../../support/pairs/acmeShHome.ts";
import { addValue, anyKind, removeValue } from "../providers/underTest.ts";

const NAME = "_acme-challenge.www.example.org";
const ZONE = { id: NAME, name: NAME };
const VALUE = "-starts_with-a-hyphen_0123456789abcdefghijk";
const signal = (): AbortSignal => AbortSignal.timeout(20_000);
const failure = async (work: Promise<unknown>): Promise<RenewalError> =>
  toRenewalError(
    await work.then(
      () => new Error("it did not fail"),
      (thrown: unknown) => thrown,
    ),
  );

let root: string;
beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), "renewd-bridge-"));
});
afterEach(() => rm(root, { recursive: true, force: true }));

async function script(name: string, body: string): Promise<string> {
  const path = join(root, name);
  await writeFile(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return path;
}
const seen = async (): Promise<string[]> => (await readFile(join(root, "seen"), "utf8")).trimEnd().split("\n");
const remove = (provider: DnsProvider, id: string | null = null): Promise<void> =>
  removeValue(provider, ZONE, NAME, { value: VALUE, id }, signal());

describe("bridge exec", () => {
  it("runs the program as lego does: action, full name with a final dot, value", async () => {
    const program = await script("update", `printf '%s\\n' "$*" "$API/$PASSWORD" >> ${root}/seen`);
    const written = {
      command: [program, "--verbose"],
      environment: { API: "$(touch pwned)" },
      secretEnvironment: { PASSWORD: "env:P" },
    };
    const { provider } = anyKind(exec).make(written, { P: "p'$(id)" });
    await addValue(provider, ZONE, NAME, VALUE, signal());
    await remove(provider);
    const environment = "$(touch pwned)/p'$(id)";
    expect(await seen()).toEqual([
      `--verbose present ${NAME}. ${VALUE}`,
      environment,
      `--verbose cleanup ${NAME}. ${VALUE}`,
      environment,
    ]);
    expect(await readdir(root)).toEqual(["seen", "update"]);
  });

  it("runs it in RAW mode with domain, token and key authorization after `--`", async () => {
    const program = await script("update", `printf '%s\\n' "$# $*" >> ${root}/seen`);
    const { txt } = anyKind(exec).make({ command: [program], mode: "raw" }, {}).provider;
    if (txt.model !== "record") return expect.unreachable("not of single records");
    const place = { name: NAME, ttlS: 60, keyAuthorization: "-token.-thumbprint" };
    const id = await txt.create(ZONE, place, VALUE, signal());
    await txt.remove(ZONE, place, { id, value: VALUE }, signal());
    const words = "-- www.example.org -token -token.-thumbprint";
    expect(await seen()).toEqual([`5 present ${words}`, `5 cleanup ${words}`]);
  });

  it("passes on nothing of the worker's own environment but PATH, HOME, LANG and TZ, and an empty stdin", async () => {
    process.env.RENEWD_TEST_SECRET = "of the worker";
    const program = await script("update", `{ cat; env | cut -d= -f1; } > ${root}/seen`);
    await addValue(anyKind(exec).make({ command: [program] }, {}).provider, ZONE, NAME, VALUE, signal());
    delete process.env.RENEWD_TEST_SECRET;
    const own = (await seen()).filter((name) => !["PATH", "HOME", "LANG", "TZ", "PWD", "_", "SHLVL"].includes(name));
    expect(own).toEqual([]);
  });

  it("says why the program failed, in its last words and without its secrets", async () => {
    const program = await script("update", 'echo "first"; echo "login with $PASSWORD was refused" >&2; exit 3');
    const written = { command: [program], secretEnvironment: { PASSWORD: "env:P" } };
    const error = await failure(
      addValue(anyKind(exec).make(written, { P: "hunter2-hunter2" }).provider, ZONE, NAME, VALUE, signal()),
    );
    expect([error.code, error.message]).toEqual([
      "dns.refused",
      `\`${program} present\` ended with exit code 3: login with [secret] was refused`,
    ]);
  });

  it("ends a program that takes too long, with its children", async () => {
    const program = await script("update", `sleep 600 & echo $! > ${root}/seen; wait`);
    const { provider } = anyKind(exec).make({ command: [program], timeout: "300ms" }, {});
    const error = await failure(addValue(provider, ZONE, NAME, VALUE, signal()));
    expect([error.code, error.message]).toEqual([
      "dns.unreachable",
      expect.stringContaining("did not end within 0.3 s"),
    ]);
    const [child] = await seen();
    await expect.poll(() => isRunning(Number(child))).toBe(false);
  });

  it("says that the program does not exist", async () => {
    const { provider } = anyKind(exec).make({ command: [join(root, "missing")] }, {});
    const error = await failure(addValue(provider, ZONE, NAME, VALUE, signal()));
    expect([error.code, error.message]).toEqual(["dns.refused", expect.stringContaining("it does not exist")]);
  });
});

describe("bridge certbot-hooks", () => {
  const hooks = async (): Promise<Record<string, unknown>> => ({
    authHook: [
      await script(
        "auth",
        `echo "$CERTBOT_DOMAIN $CERTBOT_VALIDATION $CERTBOT_REMAINING_CHALLENGES" >> ${root}/seen; echo id-42`,
      ),
    ],
    cleanupHook: [
      await script("cleanup", `echo "$CERTBOT_DOMAIN $CERTBOT_VALIDATION $CERTBOT_AUTH_OUTPUT" >> ${root}/seen`),
    ],
  });

  it("gives the hooks what certbot gives them, and the clean-up what the auth hook printed", async () => {
    const { provider } = anyKind(certbotHooks).make(await hooks(), {});
    const id = await addValue(provider, ZONE, NAME, VALUE, signal());
    expect(id).toBe("id-42");
    await remove(provider, id);
    expect(await seen()).toEqual([`www.example.org ${VALUE} 0`, `www.example.org ${VALUE} id-42`]);
  });

  it("says that hooks cannot publish at a name that a CNAME leads to", async () => {
    const { provider } = anyKind(certbotHooks).make(await hooks(), {});
    const error = await failure(addValue(provider, ZONE, "label.acme.example.org", VALUE, signal()));
    expect(error.message).toContain("follow: never");
  });
});

describe("bridge acme.sh", () => {
  const INFO = `Example DNS
Site: dns.example
Options:
 EX_Token API Token
 EX_Zone Zone. Optional.
OptionsAlt:
 EX_User User
 EX_Password Password
`;
  const home = async () => {
    const made = await createAcmeShHome(join(root, "acme.sh"));
    const body = (action: string): string =>
      `printf '%s\\n' "${action} $# $1 $2 $EX_Token" >> ${root}/seen
: "$EX_User" "$EX_Password"
_saveaccountconf_mutable EX_Token "$EX_Token"
ls -ld "$LE_CONFIG_HOME" | cut -c1-10 >> ${root}/seen
echo "$LE_CONFIG_HOME" > ${root}/private
if read -r line; then echo "stdin: $line" >> ${root}/seen; fi`;
    await made.dnsapi("dns_example", { info: INFO, add: body("add"), rm: body("rm") });
    return made.path;
  };
  const make = async (secrets: Record<string, string> = { T: "tok'en$(id)" }, variables = { EX_Token: "env:T" }) =>
    anyKind(acmeSh).make({ home: await home(), script: "dns_example", secretEnvironment: variables }, secrets).provider;

  it("calls the script's functions, its variables and acme.sh's functions included, in a directory that is removed", async () => {
    const provider = await make();
    await addValue(provider, ZONE, NAME, VALUE, signal());
    await remove(provider);
    const line = (action: string): string => `${action} 2 ${NAME} ${VALUE} tok'en$(id)`;
    expect(await seen()).toEqual([line("add"), "drwx------", line("rm"), "drwx------"]);
    const directory = (await readFile(join(root, "private"), "utf8")).trim();
    expect(directory.startsWith(tmpdir())).toBe(true);
    await expect(readdir(directory)).rejects.toThrow("ENOENT");
    expect((await readdir(join(root, "acme.sh"))).sort()).toEqual(["acme.sh", "deploy", "dnsapi"]);
  });

  it("removes the private directory of a script that fails", async () => {
    const made = await createAcmeShHome(join(root, "acme.sh"));
    await made.dnsapi("dns_bad", {
      info: INFO,
      add: `echo "$LE_CONFIG_HOME" > ${root}/private; _err "bad token"; return 1`,
      rm: ":",
    });
    const { provider } = anyKind(acmeSh).make({ home: made.path, script: "dns_bad" }, {});
    const error = await failure(addValue(provider, ZONE, NAME, VALUE, signal()));
    expect([error.code, error.message]).toEqual([
      "dns.refused",
      "acme.sh's dns_bad_add ended with exit code 1: bad token",
    ]);
    await expect(readdir((await readFile(join(root, "private"), "utf8")).trim())).rejects.toThrow("ENOENT");
  });

  it("names variables that are missing or that the script does not know, without running it", async () => {
    expect(await (await make()).missingRights?.(null, signal())).toEqual([]);
    const typo = await make({}, { EX_Tokne: "env:T" } as never);
    expect(await typo.missingRights?.(null, signal())).toEqual([
      "dns_example: the script does not know the variable EX_Tokne.",
      "dns_example: the script needs EX_Token, or EX_User, EX_Password.",
    ]);
    await expect(readFile(join(root, "seen"))).rejects.toThrow("ENOENT");
  });

  it.each(["../evil", "dns_a;id", "cf", "dns_"])("takes %j for no script's name", (name) => {
    expect(acmeSh.options.safeParse({ home: "/opt/acme.sh", script: name }).success).toBe(false);
  });

  it("says which file is not there", async () => {
    const { provider } = anyKind(acmeSh).make({ home: root, script: "dns_cf" }, {});
    const error = await failure(addValue(provider, ZONE, NAME, VALUE, signal()));
    expect(error.message).toContain(`${root}/dnsapi/dns_cf.sh cannot be read`);
  });

  test("an info block is read with its alternatives", () => {
    const info = readInfo(`#!/usr/bin/env sh\n# x\ndns_example_info='${INFO}'\ncode`, "dns_example");
    expect(info).toMatchObject({ title: "Example DNS", site: "dns.example", docs: null });
    expect(info?.sets.map((set) => set.map(({ name, isOptional }) => [name, isOptional]))).toEqual([
      [
        ["EX_Token", false],
        ["EX_Zone", true],
      ],
      [
        ["EX_User", false],
        ["EX_Password", false],
      ],
    ]);
    expect(readInfo("no block", "dns_example")).toBeNull();
  });

  test.each([
    ["an indented alternative", "'", " OptionsAlt:"],
    ["double quotes", '"', "OptionsAlt:"],
  ])("an info block with %s is read", (_what, quote, alternative) => {
    const block = `Cloud\nSite: x\nOptions:\nA_Key Key\n${alternative}\n A_Token Token. See https://x.example/\n`;
    const text = `dns_a_info=${quote}${block}${quote}\nA_Key="$A_Key"; A_Token="$A_Token"\n`;
    const info = readInfo(text, "dns_a");
    expect(info?.sets.map((set) => set.map(({ name }) => name))).toEqual([["A_Key"], ["A_Token"]]);
    expect(variableProblems(text, info, ["A_Token"])).toEqual([]);
    expect(variableProblems(text, info, [])).toEqual(["the script needs A_Key, or A_Token"]);
  });

  test("a script without a block is known by what it reads", () => {
    const text = `dns_old_add() {\n OLD_Key="\${OLD_Key:-$(_readaccountconf_mutable OLD_Key)}"\n _readdomainconf OLD_Id\n}`;
    expect([readInfo(text, "dns_old"), readVariables(text)]).toEqual([null, ["OLD_Key", "OLD_Id"]]);
    expect(variableProblems(text, null, ["OLD_Key"])).toEqual([]);
    expect(variableProblems(text, null, ["OLD_Kye"])).toEqual(["the script does not know the variable OLD_Kye"]);
  });

  test("a variable that the block names but the script never reads is not asked for", () => {
    const text = "dns_x_info='X\nOptions:\n WRONG_Token Token\n'\nRIGHT_Token=$RIGHT_Token\n";
    const info = readInfo(text, "dns_x");
    expect(variableProblems(text, info, ["RIGHT_Token"])).toEqual([]);
  });
});

/** An ended process that nobody has waited for yet is no longer running. */
async function isRunning(pid: number): Promise<boolean> {
  const state = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  return state !== "" && !/\) [ZX] /.test(state);
}
