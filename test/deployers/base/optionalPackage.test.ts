import { expect, it } from "vitest";
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
  await expect(optionalPackage("x", () => Promise.reject(broken))).rejects.toBe(broken);
});
