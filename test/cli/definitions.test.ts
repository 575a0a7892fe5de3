import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, afterEach, beforeAll, expect, test } from "vitest";
import { addDefinition, editDefinition } from "../../src/compose/index.ts";
import { definitionDocument } from "../../src/config/read/definitions.ts";
import type { CertificatesReport } from "../../src/reports/certificates.ts";
import { eventSentence } from "../../src/reports/eventSentence.ts";
import { renewal } from "../support/model/facts.ts";
import { configText, createInstallation, type Installation } from "../support/system/installation.ts";

const AT = "endpoints=['192.0.2.1:443']";
const SHOP = "certificates:\n  shop: { names: [shop.example.org], endpoints: [192.0.2.1] }\n";

let installation: Installation;
beforeAll(async () => {
  installation = await createInstallation(configText(["www"]));
});
afterEach(async () => {
  await writeFile(installation.configFile, configText(["www"]));
  const { definitions } = installation.store;
  const { revision, definitions: found } = await definitions.list();
  const writes = found.map(({ name }) => ({ name, definition: null }));
  await definitions.write(writes, { seen: revision, at: 0, by: null });
});
afterAll(() => installation[Symbol.asyncDispose]());

const run = (...args: string[]) => installation.run("certificates", ...args);
const add = (name: string, ...more: string[]) => run("add", name, `${name}.example.org`, "--set", AT, ...more);

async function fileWith(text: string, name = "import.yaml"): Promise<string> {
  const file = join(installation.directory, name);
  await writeFile(file, text);
  return file;
}

async function definedIn(): Promise<(string | null)[][]> {
  const { certificates } = JSON.parse((await run("--json")).stdout) as CertificatesReport;
  return certificates.map((each) => [each.certificate, each.definedIn]).toSorted();
}

async function defined(): Promise<Record<string, unknown>> {
  const { definitions } = await installation.store.definitions.list();
  return Object.fromEntries(definitions.map(({ name, definition }) => [name, definition]));
}

test("a certificate is defined in the database, changed and removed, as one in a file", async () => {
  expect(await add("shop", "--set", "renewal.jitter=0.2")).toMatchObject({
    ...{ code: 0, stdout: "shop: defined in the database\n" },
    stderr: expect.stringContaining("a running renewd takes it over"),
  });
  expect(await definedIn()).toEqual([
    ["shop", "database"],
    ["www", installation.configFile],
  ]);
  expect((await run()).stdout).toMatch(/DEFINED IN\n(?:.*\n)?shop .* database/);
  expect((await run("shop")).stdout).toContain("the database (`renewd certificates edit`)");
  expect((await installation.run("config", "check", "--json")).stdout).toContain('"certificates": 2');
  expect((await installation.run("plan", "--json")).stdout).toContain('"certificate": "shop"');

  expect((await run("edit", "shop", "--set", "keyType=rsa-2048", "--unset", "renewal")).stdout).toContain("changed");
  expect(await defined()).toEqual({
    shop: { names: ["shop.example.org"], endpoints: ["192.0.2.1:443"], keyType: "rsa-2048" },
  });
  expect((await run("edit", "shop", "--set", "keyType=rsa-2048")).stdout).toBe("shop: defined so already\n");
  expect((await run("remove", "shop")).stdout).toBe("shop: removed from the database\n");
  expect(await definedIn()).toEqual([["www", installation.configFile]]);
  const events = await installation.store.events.list({ certificate: "shop", limit: 9 });
  expect(events.map(({ type, detail }) => [type, detail.change, typeof detail.by])).toEqual([
    ...["added", "edited", "removed"].map((change) => ["certificate.defined", change, "string"]),
  ]);
  expect(events.map(eventSentence)[2]).toMatch(/^definition removed from the database, by /);
  expect((await installation.run("audit", "verify")).code).toBe(0);
});

test.each([
  ["a name in the file", ["add", "www", "w.example.org"], /"www" is defined in .*renewd.yaml:1 already: rename one/],
  ["a wrong name", ["add", "shop", "sho p", "--set", AT], /^renewd: command line: certificates.shop.names\[0\]/],
  ["an unknown target", ["add", "shop", "s.example", "--set", AT, "--set", "targets=[lbb]"], /did you mean "lb"/],
  ["no names", ["add", "shop", "--set", AT], /certificates.shop.names: is missing/],
  ["what www has", ["add", "shop", "www.example.org", "--set", AT], /certificates.shop: has the same names/],
  ["--set without a value", ["add", "shop", "--set", "names"], /--set: must be key=value/],
  [
    "two values in one --set",
    ["add", "shop", "s.example", "--set", "mode=renew\nkeyType: rsa-2048"],
    /one --set for each/,
  ],
  ["a name that is part of every object", ["add", "__proto__", "s.example", "--set", AT], /this key is not allowed/],
  ["YAML that is none", ["add", "shop", "--set", "names=[a"], /^renewd: --set names:\d+:\d+: /],
  ["nothing to change", ["edit", "shop"], /is not defined in the database/],
  ["one of the file", ["remove", "www"], /"www" is not defined in the database; none is defined/],
  ["a file that is not there", ["import", "/nonexistent.yaml"], /does not exist/],
])("%s is refused with one message, and nothing is written", async (_, args, message) => {
  const { code, stderr } = await run(...args);
  expect(stderr).toMatch(message);
  expect(code).toBe(2);
  expect(await defined()).toEqual({});
});

test("what would break another part of the configuration is refused", async () => {
  await add("probe");
  const text = JSON.parse(configText(["www"]));
  await writeFile(installation.configFile, JSON.stringify({ ...text, canary: { certificate: "probe" } }));
  const { code, stderr } = await run("remove", "probe");
  expect([code, stderr]).toEqual([2, expect.stringContaining('canary.certificate: "probe" is not defined')]);
  expect(Object.keys(await defined())).toEqual(["probe"]);
});

test("a name that a file takes too is a mistake until one of them goes", async () => {
  await add("shop");
  await writeFile(installation.configFile, configText(["www", "shop"]));
  const { code, stderr } = await run();
  expect(stderr).toContain("`renewd certificates remove shop`");
  expect(code).toBe(2);
  expect((await run("remove", "shop")).code).toBe(0);
  expect(await definedIn()).toHaveLength(2);
});

test("a renewal under way keeps a certificate from being removed, unless it is forced", async () => {
  await add("shop");
  await installation.store.renewals.insert(renewal({ id: "aaaaaaaa-1", certificate: "shop", state: "issuing" }));
  const { code, stderr } = await run("remove", "shop");
  expect([code, stderr]).toEqual([2, expect.stringContaining("is being renewed (aaaaaaaa-1); remove it afterwards")]);
  expect((await run("remove", "shop", "--force")).code).toBe(0);
  expect(await defined()).toEqual({});
});

test("a file is imported whole, and imported again it changes nothing", async () => {
  const file = await fileWith(`${SHOP}  mail: { names: [mail.example.org], endpoints: [192.0.2.1] }\n`);
  expect((await run("import", file)).stdout).toBe("shop, mail: defined in the database\n");
  expect((await run("import", file)).stdout).toBe("shop, mail: defined so already\n");
  await fileWith(SHOP.replace("endpoints", "keyType: rsa-2048, endpoints"));
  const refused = await run("import", file);
  expect(refused.stderr).toContain(`${file}:2:3: certificates.shop: the database defines it in another way: --replace`);
  expect((await run("import", file, "--replace")).stdout).toBe("shop: changed in the database\n");
  // What is exported is imported elsewhere, or included.
  const exported = await fileWith((await run("export")).stdout, "exported.yaml");
  expect((await run("import", exported)).stdout).toBe("mail, shop: defined so already\n");
  const [event] = await installation.store.events.list({ types: ["certificate.defined"], limit: 1 });
  expect(event?.detail).toMatchObject({ change: "imported", from: file, added: 0, changed: 1, names: ["shop"] });
});

test("a file with mistakes is refused with all of them and their lines, and nothing is imported", async () => {
  const right = "  mail: { names: [mail.example.org], endpoints: [192.0.2.1] }\n";
  const wrong = "  www: { names: [w.example.org], endpoints: [192.0.2.1] }\n  b: { names: [b_], endpoints: [x:0] }\n";
  const file = await fileWith(`${SHOP}${wrong}  c: { names: [c.example.org], solver: htp }\n${right}`);
  const { code, stderr } = await run("import", file);
  expect(code).toBe(2);
  const lines = stderr.split("\n").flatMap((line) => (line.includes(`${file}:`) ? line.split(`${file}:`)[1] : []));
  expect(lines).toEqual([
    expect.stringMatching(/^3:3: certificates.www: "www" is defined in/),
    expect.stringMatching(/^4:\d+: certificates.b.names\[0\]/),
    expect.stringMatching(/^4:\d+: certificates.b.endpoints\[0\]/),
    expect.stringMatching(/^5:3: certificates.c.endpoints: needs at least one/),
    expect.stringMatching(/^5:\d+: certificates.c.solver: "htp" is not defined/),
  ]);
  expect(await defined()).toEqual({});
});

test("a row that somebody else wrote is named, and written again", async () => {
  await add("shop");
  using database = new DatabaseSync(join(installation.directory, "data", "renewd.db"));
  database.exec(`update certificate_definitions set definition = '{"names":["evil.example"]}' where name = 'shop'`);
  const { code, stderr } = await run();
  expect([code, stderr]).toEqual([2, expect.stringContaining("renewd did not write this definition as it is")]);
  expect(await run("export")).toMatchObject({ code: 1, stderr: expect.stringMatching(/^left out, .*: shop\n/) });
  expect((await run("export", "shop")).stderr).toContain("renewd did not write this definition as it is");
  expect(
    (await run("edit", "shop", "--from", await fileWith("names: [shop.example.org]\nendpoints: [192.0.2.1]\n"))).code,
  ).toBe(0);
  expect((await run()).code).toBe(0);
});

test("nothing is edited where nobody can", async () => {
  await add("shop");
  expect((await run("edit", "shop")).stderr).toContain("give --set, --unset or --from");
});

test("what somebody edits is kept while others change other definitions, and made again when they change that one", async () => {
  await add("shop");
  const { configFile } = installation;
  const document = (name: string, keyType: string) =>
    definitionDocument(name, { names: [`${name}.example.org`], endpoints: ["192.0.2.1:443"], keyType }, "elsewhere");
  const edit = async (wanted: string, meanwhile: () => Promise<unknown>) => {
    const seen: unknown[] = [];
    const edited = async ({ keyType }: Readonly<Record<string, unknown>>) => {
      if (seen.push(keyType) === 1) await meanwhile();
      return document("shop", wanted);
    };
    await editDefinition(configFile, "shop", edited, null);
    return seen;
  };
  const addMail = () => addDefinition(configFile, "mail", document("mail", "rsa-2048"), null);
  expect(await edit("rsa-4096", addMail)).toEqual([undefined]);
  expect(await defined()).toMatchObject({ shop: { keyType: "rsa-4096" }, mail: { keyType: "rsa-2048" } });
  const other = () => editDefinition(configFile, "shop", async () => document("shop", "ecdsa-p384"), null);
  expect(await edit("rsa-3072", other)).toEqual(["rsa-4096", "ecdsa-p384"]);
});
