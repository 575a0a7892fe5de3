import { globSync, readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { violations } from "./architecture/check.ts";
import { readImports } from "./architecture/imports.ts";
import { FOLDERS, importTable, PACKAGES, packageTable } from "./architecture/rules.ts";

const root = `${import.meta.dirname}/..`;
const read = (path: string): string => readFileSync(`${root}/${path}`, "utf8");
const files = globSync("{src,workers,test,scripts,bench}/**/*.ts", { cwd: root }).sort();

/** One line of `source` in `path`, judged alone. */
const judge = (path: string, source: string): string[] => violations(new Map([[path, source]]));

describe("this repository", () => {
  test("keeps every rule of the architecture", () => {
    expect(files.filter((path) => path.startsWith("src/domain/")).length).toBeGreaterThan(5);
    expect(violations(new Map(files.map((path) => [path, read(path)])))).toEqual([]);
  });

  test("shows the enforced import table in docs/architecture.md", () => {
    expect(read("docs/architecture.md")).toContain(importTable());
  });

  test("gives every dependency an owner and a reason, and shows them in docs/architecture.md", () => {
    type Packages = Record<string, string>;
    const { dependencies, peerDependencies, devDependencies } = JSON.parse(read("package.json")) as {
      dependencies: Packages;
      peerDependencies: Packages;
      devDependencies: Packages;
    }; // our own file
    const owned = Object.keys(PACKAGES).filter((name) => !name.startsWith("node:"));
    expect(owned).toEqual(expect.arrayContaining(Object.keys({ ...dependencies, ...peerDependencies })));
    // What is in neither is bundled into dist/, so that it is needed for building only.
    expect(Object.keys({ ...dependencies, ...devDependencies })).toEqual(expect.arrayContaining(owned));
    expect(read("docs/architecture.md")).toContain(packageTable());
  });
});

describe("the reader of imports", () => {
  test.each([
    ['import { a } from "./a.ts";', ["./a.ts"]],
    ["import a, { b } from './a.ts'", ["./a.ts"]],
    ['import * as a from "a";', ["a"]],
    ['import "reflect-metadata";', ["reflect-metadata"]],
    ['import {\n  a,\n  b,\n} from "./a.ts";\nimport c from "./c.ts";', ["./a.ts", "./c.ts"]],
    ['export { a } from "./a.ts";', ["./a.ts"]],
    ['export * from "./a.ts";', ["./a.ts"]],
    ['export * as a from "./a.ts";', ["./a.ts"]],
    ['const a = await import("./a.ts");', ["./a.ts"]],
    ['type A = import("./a.ts").A;', ["./a.ts"]],
    ['import type { A } from "./a.ts";', ["./a.ts"]],
    ['import { from } from "./from.ts";', ["./from.ts"]],
    // biome-ignore lint/suspicious/noTemplateCurlyInString: a template inside a template is what is read
    ['const a = `${`import "x"`}`; import "y";', ["y"]],
    ['const slash = /["\'`]/; import "y";', ["y"]],
    ['const half = total / 2; import "y"; const more = half / 2;', ["y"]],
  ])("finds the import in %s", (source, expected) => {
    expect(readImports(source).imports.map((one) => one.specifier)).toEqual(expected);
  });

  test.each([
    '// import "a";',
    '/* import { a } from "a"; */',
    "const text = 'import \"a\";';",
    'const text = `import "a";`;',
    'const text = "\\"; import \\"a\\"";',
    'export const a = "b";',
    'export { a };\n"use strict";',
    "const url = import.meta.url;",
    'queue.import("a");',
    "interface Acm {\n  import(request: Request, signal: AbortSignal): Promise<string>;\n}",
    "const acm = { async import({ arn }, signal) { return f(arn()); } };",
  ])("finds no import in %s", (source) => {
    expect(readImports(source)).toEqual({ imports: [], computed: [] });
  });

  test.each([
    ['import type { A } from "a";', true],
    ['import type A from "a";', true],
    ['import { type A, type B } from "a";', true],
    ['export type { A } from "a";', true],
    ['let a: import("a").A;', true],
    ['import { type A, b } from "a";', false],
    ['import type from "a";', false],
    ['import { a } from "a";', false],
    ['import "a";', false],
  ])("tells whether %s is erased: %s", (source, typesOnly) => {
    expect(readImports(source).imports).toMatchObject([{ specifier: "a", typesOnly, line: 1 }]);
  });

  test("names the lines of imports it cannot follow", () => {
    expect(readImports("\nimport(name);\nrequire(name);\nconst a = b ? import(name) : {};").computed).toEqual([
      2, 3, 4,
    ]);
  });
});

describe("the checker", () => {
  test.each([
    ["src/domain/a.ts", 'import { b } from "../x509/b.ts";', "domain must not import x509"],
    ["src/renewal/plan.ts", 'import type { Db } from "../store/db.ts";', "renewal must not import store"],
    [
      "src/renewal/rules/decide.ts",
      'import { s } from "../steps/issue.ts";',
      "renewal/rules must not import renewal (src/renewal/steps/issue.ts)",
    ],
    [
      "src/renewal/rules/decide.ts",
      'import type { Context } from "../context.ts";',
      "renewal/rules must not import renewal (src/renewal/context.ts)",
    ],
    ["src/renewal/steps/issue.ts", 'import { s } from "../../reports/status.ts";', "renewal must not import reports"],
    ["src/reports/status.ts", 'import { s } from "../renewal/steps/sweep.ts";', "reports must not import renewal"],
    ["src/reports/status.ts", 'import { t } from "../cli/terminal/table.ts";', "reports must not import cli"],
    ["src/reports/status.ts", 'import { s } from "../store/index.ts";', "reports must not import store"],
    ["src/acme/client.ts", 'import { s } from "../solvers/index.ts";', "acme must not import solvers"],
    [
      "src/deployers/base/a.ts",
      'import { w } from "../local/atomicFiles.ts";',
      "deployers/base must not import deployers/local",
    ],
    ["src/deployers/local/a.ts", 'import { a } from "../aws/acm.ts";', "deployers/local must not import deployers/*"],
    [
      "src/deployers/haproxy/a.ts",
      'import { c } from "../caddy/caddy.ts";',
      "a folder of deployers/* must not import its sibling",
    ],
    ["src/deployers/haproxy/a.ts", 'import { D } from "../index.ts";', "deployers/* must not import deployers"],
    ["src/deployers/haproxy/a.ts", 'import "../../log.ts";', "deployers/* must not import log"],
    [
      "src/deployers/index.ts",
      'import { w } from "./local/atomicFiles.ts";',
      "deployers must not import deployers/local",
    ],
    [
      "src/config/schema/file.ts",
      'import { h } from "../../deployers/haproxy/haproxy.ts";',
      "config/schema may import only the registry of deployers",
    ],
    [
      "src/config/schema/file.ts",
      'import { d } from "../read/document.ts";',
      "config/schema must not import config/read",
    ],
    [
      "src/config/read/document.ts",
      'import { r } from "../check/rules.ts";',
      "config/read must not import config/check",
    ],
    ["src/store/dialect/sqlite.ts", 'import { v } from "../vault.ts";', "store/dialect must not import store"],
    ["src/cli/main.ts", 'import { p } from "../queue/producer.ts";', "cli may import only types of queue"],
    ["src/cli/main.ts", 'import { s } from "../store/sqlite.ts";', "cli must not import store"],
    ["src/compose.ts", 'import { m } from "./cli/main.ts";', "compose must not import cli"],
    ["workers/acme.ts", 'import { d } from "./deployer.ts";', "a worker imports another worker"],
    [
      "src/tls/probe.ts",
      'import { x } from "../../test/support/pki.ts";',
      "imports test/support/pki.ts from outside src/",
    ],
    ["src/tls/probe.ts", "await import(name);", "import with a computed path"],
    ["src/gadgets/a.ts", "", "'gadgets' is not a folder of the architecture"],
    ["src/renewal/issue.ts", 'import { Queue } from "bullmq";', "'bullmq' belongs to src/queue"],
    ["src/compose.ts", 'import pino from "pino";', "'pino' belongs to src/log.ts"],
    ["src/deployers/base/a.ts", 'await import("ssh2");', "'ssh2' belongs to src/deployers/ssh"],
    [
      "src/deployers/aws/acm.ts",
      'import { ACMClient } from "@aws-sdk/client-acm";',
      "'@aws-sdk/client-acm' is loaded at every start",
    ],
    [
      "src/compose.ts",
      'const sdk = await import("@aws-sdk/client-acm");',
      "'@aws-sdk/client-acm' belongs to src/deployers/aws",
    ],
    ["src/x509/a.ts", 'import { Client } from "acme-client";', "'acme-client' belongs to src/acme"],
    ["src/web/a.ts", 'import { DatabaseSync } from "node:sqlite";', "'node:sqlite' belongs to src/store"],
    ["src/domain/plugin.ts", 'import { z } from "zod";', "'zod' belongs to"],
    ["src/x509/a.ts", 'import _ from "lodash/fp";', "package 'lodash' has no owner"],
    ["src/store/a.ts", "const home = process.env.HOME;", "process.env is read only in"],
    ["src/store/a.ts", 'import { env } from "node:process";', "process.env is read only in"],
    ["src/acme/a.ts", "connect({ rejectUnauthorized: false });", "TLS verification is switched off"],
    ["src/acme/a.ts", 'const flag = "NODE_TLS_REJECT_UNAUTHORIZED";', "TLS verification is switched off"],
    ["src/acme/utils.ts", "", "'utils.ts' is a drawer"],
    ["test/helpers/a.ts", "", "'helpers' is a drawer"],
    ["src/queue/queueTypes/types.ts", "", "'types.ts' is a drawer"],
    ["src/queue/x.ts", "\n".repeat(301), "301 lines, more than 300"],
    ["test/x.test.ts", "\n".repeat(401), "401 lines, more than 400"],
  ])("finds the breach in %s: %s", (path, source, message) => {
    const found = judge(path, source);
    expect(found).toEqual([expect.stringContaining(message)]);
    expect(found[0]).toMatch(new RegExp(`^${path}`));
  });

  test.each([
    ["src/domain/plugin.ts", 'import type { z } from "zod";'],
    [
      "src/renewal/rules/decide.ts",
      'import { isActive } from "../../domain/renewal.ts";\nimport { windowOf } from "./window.ts";',
    ],
    [
      "src/renewal/steps/issue.ts",
      'import { advance } from "../rules/advance.ts";\nimport { startRenewal } from "../plan/plan.ts";',
    ],
    ["src/reports/status.ts", 'import { decide } from "../renewal/rules/decide.ts";'],
    [
      "src/deployers/aws/acm.ts",
      'import type { ACMClient } from "@aws-sdk/client-acm";\nconst sdk = await import("@aws-sdk/client-acm");\nimport { callAws } from "./call.ts";\nimport { pem } from "../base/pairPem.ts";',
    ],
    ["src/deployers/index.ts", 'import { haproxy } from "./haproxy/haproxy.ts";'],
    ["src/config/schema/file.ts", 'import { DEPLOYERS } from "../../deployers/index.ts";'],
    ["src/config/read/environment.ts", "const home = process.env.HOME;"],
    [
      "src/cli/main.ts",
      'import type { Request } from "../queue/requests.ts";\nimport { compose } from "../compose.ts";\nimport { log } from "../log.ts";',
    ],
    ["src/compose/workers.ts", 'import { openStore } from "../store/open.ts";'],
    ["src/tls/probe.ts", "connect({ rejectUnauthorized: false }); // records what it saw"],
    ["src/acme/a.ts", "// never rejectUnauthorized: false, and process.env is not read here"],
    ["workers/web.ts", 'import { run } from "../src/compose.ts";'],
    ["src/queue/a.ts", "\n".repeat(300)],
  ])("lets %s pass: %s", (path, source) => {
    expect(judge(path, source)).toEqual([]);
  });

  test("finds a cycle once, however it is entered, and through types too", () => {
    const sources = new Map([
      ["src/domain/a.ts", 'import type { B } from "./b.ts";'],
      ["src/domain/b.ts", 'import { c } from "./c.ts";'],
      ["src/domain/c.ts", 'export * from "./a.ts";'],
      ["src/domain/d.ts", 'import { a } from "./a.ts";'],
    ]);
    expect(violations(sources)).toEqual([
      "src/domain/a.ts: import cycle: src/domain/a.ts → src/domain/b.ts → src/domain/c.ts",
    ]);
  });

  test("knows every folder of the table by a rule that names known folders only", () => {
    const known = Object.keys(FOLDERS);
    for (const rule of Object.values(FOLDERS)) {
      for (const folder of [...rule.mayImport, ...(rule.typesOnly ?? []), ...(rule.registryOnly ?? [])])
        expect(known).toContain(folder);
    }
  });
});
