import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, it, onTestFinished } from "vitest";
import { optionalPackage } from "../../../src/deployers/base/optionalPackage.ts";

it("gives the line that installs a package that is not there", async () => {
  // Chosen at run time, as no such package may be known to the compiler.
  const name = "@renewd/surely-not-installed";
  await expect(optionalPackage(name, () => import(name))).rejects.toMatchObject({
    code: "deploy.missingPackage",
    message: expect.stringContaining("run `npm install @renewd/surely-not-installed` beside renewd"),
  });
});

it("hands on what an installed package throws when it is loaded", async () => {
  const broken = new Error("broken inside");
  await expect(optionalPackage("zod", () => Promise.reject(broken))).rejects.toBe(broken);
});

it("finds a package that was installed after it was first asked for, without a restart", async () => {
  const directory = await mkdtemp(join(tmpdir(), "renewd-package-"));
  onTestFinished(() => rm(directory, { recursive: true }));
  const source = fileURLToPath(new URL("../../../src", import.meta.url));
  const program = join(directory, "asks.ts");
  await writeFile(
    program,
    `import { mkdir, writeFile } from "node:fs/promises";
    import { optionalPackage } from "${source}/deployers/base/optionalPackage.ts";
    const at = new URL("node_modules/installed-later/", import.meta.url);
    const ask = () => optionalPackage("installed-later", () => import("installed-later"), import.meta.url);
    const first = await ask().catch(({ code }) => code);
    await mkdir(at, { recursive: true });
    await writeFile(new URL("package.json", at), '{"type":"module","exports":"./main.js"}');
    await writeFile(new URL("main.js", at), "export const found = true;");
    console.log(first, (await ask()).found);`,
  );
  const { stdout } = await promisify(execFile)(process.execPath, [program]);
  expect(stdout).toBe("deploy.missingPackage true\n");
});
