import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { configFile, estate } from "./configFile.ts";

const WWW = '  www: { names: [www.example.org], endpoints: ["www.example.org:443"] }';
const other = (name: string): string =>
  `certificates:\n  ${name}: { names: [${name}.example.org], endpoints: ["${name}.example.org:443"] }\n`;

async function including(files: Readonly<Record<string, string>>, include = "[certs.d/*.yaml]", certificates = WWW) {
  const file = await configFile(estate(certificates, `include: ${include}`));
  await mkdir(join(file.directory, "certs.d"));
  for (const [name, text] of Object.entries(files)) await file.write(join("certs.d", name), text);
  const problems = async (): Promise<string[]> => {
    const result = await file.load();
    return result.ok
      ? []
      : result.problems.map(
          (each) => `${each.file.replace(`${file.directory}/`, "")}:${each.line}:${each.column} ${each.message}`,
        );
  };
  return { file, problems, [Symbol.asyncDispose]: () => file[Symbol.asyncDispose]() };
}

describe("certificates in files that are included", () => {
  test("are as if the file itself had them, in the order of the paths", async () => {
    await using at = await including({ "b.yaml": other("beta"), "a.yaml": other("alpha"), "c.txt": "not: read" });
    const { certificates } = await at.file.config();
    expect(certificates.map(({ name }) => name)).toEqual(["www", "alpha", "beta"]);
    await using alone = await configFile(estate(`${WWW}\n${other("alpha").replace("certificates:\n", "")}`));
    const [www, alpha] = (await alone.config()).certificates;
    // The same digests: what moves to another file is not renewed for it.
    const places = certificates.map(({ definedIn = "" }) => definedIn.replace(`${at.file.directory}/`, ""));
    expect(places).toEqual(["renewd.yaml", "certs.d/a.yaml", "certs.d/b.yaml"]);
    const unplaced = certificates.slice(0, 2).map((each) => ({ ...each, definedIn: alone.file }));
    expect(unplaced).toEqual([www, alpha]);
  });

  test("may be all there are, and their directory may be empty", async () => {
    await using all = await including({ "a.yaml": other("alpha") }, "[certs.d/*.yaml]", "");
    expect((await all.file.config()).certificates).toHaveLength(1);
    await using none = await including({});
    expect((await none.file.config()).certificates).toHaveLength(1);
  });

  test("have their mistakes at their own places, after those of the file itself", async () => {
    await using at = await including({
      "a.yaml": `${other("alpha")}  wrong: { names: [], issuer: lee }\n`,
      "b.yaml": other("beta").replace("443", "0"),
    });
    expect(await at.problems()).toEqual([
      expect.stringMatching(/^certs.d\/a.yaml:3:3 certificates.wrong.endpoints: needs at least one/),
      expect.stringMatching(/^certs.d\/a.yaml:3:19 certificates.wrong.names: /),
      expect.stringMatching(/^certs.d\/a.yaml:3:31 certificates.wrong.issuer: "lee" is not defined/),
      expect.stringMatching(/^certs.d\/b.yaml:2:50 certificates.beta.endpoints\[0\]: has a port outside/),
    ]);
  });

  test.each([
    [
      "a name twice",
      { "a.yaml": other("www") },
      /^certs.d\/a.yaml:2:3 certificates.www: "www" is defined in .*yaml:12 /,
    ],
    [
      "the same names as another, with where that is",
      { "a.yaml": other("x").replace("x.example.org]", "www.example.org]") },
      /^certs.d\/a.yaml:2:3 certificates.x: has the same names.* as certificates.www in .*renewd.yaml:12:/,
    ],
    ["other sections", { "a.yaml": "targets: {}\n" }, /^certs.d\/a.yaml:1:1 targets: only `certificates` can be/],
    ["an empty file", { "a.yaml": "" }, /^certs.d\/a.yaml:1:1 the file is empty: begin with `certificates:`/],
    ["no mapping", { "a.yaml": "certificates: [a]\n" }, /^certs.d\/a.yaml:1:15 certificates: must hold certificates/],
    ["no YAML", { "a.yaml": "certificates: {\n" }, /^certs.d\/a.yaml:2:1 /],
  ])("that are wrong: %s", async (_, files, message) => {
    await using at = await including(files);
    expect(await at.problems()).toEqual([expect.stringMatching(message)]);
  });

  test.each([
    ["[certs.d/absent.yaml]", /^renewd.yaml:13:11 include\[0\]: the included file .*absent.yaml" does not exist/],
    ["[certs.d]", /^renewd.yaml:13:11 include\[0\]: the included file .* is not a regular file/],
    ["certs.d", /^renewd.yaml:13:10 include: /],
    ["[7]", /^renewd.yaml:13:11 include\[0\]: /],
  ])("are not found at %s, which is said", async (include, message) => {
    await using at = await including({}, include);
    expect(await at.problems()).toEqual([expect.stringMatching(message)]);
  });

  test("do not include the file itself", async () => {
    await using at = await including({}, "['*.yaml']");
    expect((await at.file.config()).certificates).toHaveLength(1);
  });
});
