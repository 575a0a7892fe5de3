import { describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { findPlace } from "../../src/config/place.ts";
import { parseYaml } from "../../src/config/read/document.ts";
import { SECTIONS } from "../../src/config/read/indentation.ts";
import { describeProblems } from "../../src/config/read/problems.ts";
import { fileSchema } from "../../src/config/schema/file.ts";
import { configFile } from "./configFile.ts";

describe("a file that is no configuration", () => {
  test.each([
    ["empty", "", "1:1 the file is empty: begin with `version: 1`"],
    ["only a comment", "# nothing\n", "1:1 the file is empty"],
    ["a list", "- a\n", "1:1 the file must hold keys and values"],
    ["text", "renewd\n", "1:1 the file must hold keys and values"],
    ["indented by tabs", "version: 1\nlog:\n\tlevel: info\n", "3:1 indent with spaces: YAML forbids tabs here"],
    ["two documents", "version: 1\n---\nversion: 1\n", "2:1 only one document is allowed: remove the line with ---"],
    ["an unclosed bracket", "version: 1\nlog: {level: info\n", "a bracket was not closed"],
    ["an unclosed quote", 'masterKey: "a\n', "a colon, quote or bracket is missing"],
    ["an alias to nothing", "version: *x\n", "1:10 version: this alias (*name) refers to no anchor"],
    ["a text that YAML reserves", "version: @x\n", "1:10 quote a text that begins with @"],
    ["another YAML", "%YAML 1.1\n---\nversion: 1\n", "remove the %YAML directive"],
  ])("%s", async (_, content, problem) => {
    await using file = await configFile(content);
    expect((await file.problems()).filter((each) => each.includes(problem))).toHaveLength(1);
  });

  test("thousands of aliases, which are counted before anything is made of them", async () => {
    const indexes = Array.from({ length: 8_000 }, (_, index) => index);
    const anchors = indexes.map((index) => `&a${index} x`).join(", ");
    const aliases = indexes.map((index) => `*a${index}`).join(", ");
    await using file = await configFile(`version: 1\nlists: [${anchors}]\nuses:\n  [${aliases}]\n`);
    const begunAt = performance.now();
    const problems = await file.problems();
    expect(performance.now() - begunAt).toBeLessThan(5_000);
    expect(problems).toEqual([expect.stringContaining("more than 500 aliases (*name) in one file")]);
    expect(problems[0]).toMatch(/^4:3394 /);
  });

  test("a star in a text is no alias", async () => {
    const lines = Array.from({ length: 600 }, () => "  *text\n").join("");
    await using file = await configFile(`version: 1\nnote: |\n${lines}`);
    expect((await file.problems()).join()).not.toContain("alias");
  });

  test("a file in another encoding", async () => {
    await using file = await configFile(Buffer.from("version: 1 # caf\xe9\n", "latin1"));
    expect(await file.problems()).toEqual([
      `0:0 the configuration file ${JSON.stringify(file.file)} is not UTF-8 text: save it as UTF-8`,
    ]);
  });

  test("a file of more than sixteen megabytes", async () => {
    await using file = await configFile(`version: 1\n#${"x".repeat(16 * 1024 * 1024)}`);
    expect((await file.problems())[0]).toContain("more than the 16777216 allowed");
  });

  test("a missing file and a directory", async () => {
    await using file = await configFile("");
    for (const [path, why] of [
      [
        `${file.directory}/nope.yaml`,
        "does not exist: `renewd init` proposes one; `-c FILE` or RENEWD_CONFIG names one elsewhere; without them it is renewd.yaml here, then /etc/renewd/renewd.yaml",
      ],
      [file.directory, "is not a regular file"],
    ] as const) {
      const result = await loadConfig(path);
      expect(result.ok ? "" : describeProblems(result.problems)).toBe(
        `${path}: the configuration file ${JSON.stringify(path)} ${why}`,
      );
    }
  });

  test.each([
    [
      "a billion laughs",
      `a: &a [x,x,x,x,x,x,x,x,x]\n${["b", "c", "d", "e", "f"].map((k, i) => `${k}: &${k} [${Array(9).fill(`*${"abcde"[i]}`)}]`).join("\n")}\n`,
      "aliases",
    ],
    ["half a million brackets", `version: ${"[".repeat(500_000)}`, "nested too deeply"],
    ["a hundred thousand unknown keys", Array.from({ length: 100_000 }, (_, i) => `k${i}:`).join("\n"), "unknown key"],
  ])("%s ends in a bounded number of problems", async (_, content, problem) => {
    await using file = await configFile(content);
    const problems = await file.problems();
    expect(problems.some((each) => each.includes(problem))).toBe(true);
    expect(problems.length).toBeLessThanOrEqual(200);
  });

  test("an unquoted placeholder inside braces is explained where it is", async () => {
    await using file = await configFile(
      "version: 1\ntargets: { lb: { type: haproxy, file: /etc/haproxy/{certificate}.pem, socket: /run/s } }\n",
    );
    expect(await file.problems()).toEqual([
      expect.stringMatching(/^2:52 quote the text with \{certificate\} in it, as in "\{certificate\}\.pem": /),
    ]);
  });

  test.each([
    [
      "the text begins with it, in braces",
      "targets: { lb: { type: files, bundle: {certificate}.pem } }",
      39,
      "quote the text with",
    ],
    ["the text begins with it", "targets:\n  lb:\n    bundle: {certificate}.pem", 13, "quote the text with"],
    ["it is the whole text", "targets:\n  lb:\n    type: files\n    bundle: {certificate}", 13, "quote it, as braces"],
  ])("an unquoted placeholder is explained although %s", async (_, text, column, message) => {
    await using file = await configFile(`version: 1\n${text}\n`);
    const found = (await file.problems()).filter((each) => each.includes("quote"));
    expect(found).toEqual([expect.stringMatching(new RegExp(`^\\d:${column} .*${message}`))]);
  });

  test.each([
    [
      "of all below a name",
      "targets:\n  web:\n  type: files\n  bundle: /x.pem\ncertificates:\n  www:\n  names: [www.example.org]",
      "3:3 targets.web: is empty, and type, bundle below it are not part of it: indent those lines further than the name",
      "7:3 certificates.www: is empty, and names below it is not part of it: indent that line further than the name",
    ],
    [
      "of all below a section",
      "issuers:\nle:\n  directory: x\ncertificates:\n  www: { names: [a.example.org], issuer: le }",
      "2:1 issuers: is empty, and le below it is not part of it: indent that line further than the name",
    ],
    ["of a section that is none then", "log:\nlevel: info", "2:1 log: is empty, and level below it"],
    [
      "of a member that is a section",
      "solvers:\nweb:\n  type: http-01",
      "2:1 solvers: must be keys and values, but is empty: indent its members",
    ],
    [
      "of one line, to its member's name",
      "issuers:\n  le:\n    directory: x\n  termsOfServiceAgreed: true",
      "5:3 issuers.termsOfServiceAgreed: must be keys and values as the other members are; if it is part of le above",
    ],
    [
      "of one line, to the first column",
      "targets:\n  lb:\n    type: files\nbundle: x.pem",
      "5:1 bundle: unknown key in the first column: if it is part of targets.lb above, indent the line further than `lb`",
    ],
    [
      "of a section, to the right",
      "issuers:\n  le: { directory: x }\n  solvers:\n    web: { type: http-01 }",
      "4:3 issuers.solvers: is a section of its own: begin its line in the first column",
    ],
    [
      "of a section below settings",
      "log:\n  level: info\n  targets:\n    lb: { type: files }",
      "4:3 log.targets: is a section of its own",
    ],
    [
      "of a name, to the right",
      "certificates:\n  www:\n    names: [a]\n    issuer: le\n    api:\n    names: [b]\n    issuer: le",
      "6:5 certificates.www.api: is empty, and what is below it was defined in line 4 already: check the indentation",
    ],
  ])("a wrong indentation %s is one mistake, not one for each line", async (_, text, ...expected) => {
    await using file = await configFile(`version: 1\n${text}\n`);
    expect(await file.problems()).toEqual(expected.map((each) => expect.stringContaining(each)));
  });

  test("a target may be called as a section is", async () => {
    const text = "version: 1\ninclude: [x.yaml]\ntargets: { certificates: { type: files, bundle: a.pem } }\n";
    expect(parseYaml("renewd.yaml", text)).toHaveProperty("data");
  });

  test("the sections whose indentation is judged are those of the file", () => {
    expect(SECTIONS).toEqual(Object.keys(fileSchema.shape));
  });

  test("one wrong indentation is one message", async () => {
    await using file = await configFile(
      "version: 1\nissuers:\n  le:\n    directory: x\n   contact: [a]\n    trust: b\n",
    );
    expect(await file.problems()).toEqual([expect.stringContaining("the indentation does not fit")]);
  });
});

test("merge keys (<<) repeat what an anchor holds; a value of its own wins", () => {
  const parsed = parseYaml("renewd.yaml", "a: &a { x: 1, y: 2 }\nb: { <<: *a, y: 3 }\n");
  expect("data" in parsed && parsed.data).toEqual({ a: { x: 1, y: 2 }, b: { x: 1, y: 3 } });
});

test("where the database is, is read in a moment from a file that was made to take long", async () => {
  await using file = await configFile(
    `version: 1\ndataDir: /srv/renewd\nx: ${"&a ".repeat(8_000)}\n${"? ".repeat(3_000)}`,
  );
  const started = performance.now();
  expect(await findPlace(file.file)).toMatchObject({ dataDir: "/srv/renewd" });
  expect(performance.now() - started).toBeLessThan(5_000);
});
