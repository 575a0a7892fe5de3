import { expect, it } from "vitest";
import { z } from "zod";
import { REGISTRIES } from "../../src/config/schema/registries.ts";
import { optionalPackage } from "../../src/solvers/dns/optionalPackage.ts";
import { solverDependencies } from "../support/dns/dependencies.ts";
import { SOLVERS } from "../support/plugins.ts";

it("every solver kind has a name of its own, a description and options that make a JSON Schema", () => {
  expect(SOLVERS.map(({ type }) => type)).toEqual([...new Set(SOLVERS.map(({ type }) => type))]);
  for (const plugin of SOLVERS) {
    expect(plugin.description).toMatch(/\.$/);
    expect(z.toJSONSchema(plugin.options, { io: "input" })).toMatchObject({
      type: "object",
      additionalProperties: false,
    });
  }
});

it("every kind is the one that its registry says it is", async () => {
  for (const kinds of Object.values(REGISTRIES))
    for (const { type, load } of kinds) expect((await load()).type).toBe(type);
});

it("a solver is made from options its own schema accepted", () => {
  const plugin = SOLVERS.find(({ type }) => type === "webroot");
  const solver = plugin?.create(plugin.options.parse({ directory: "/srv/www" }), solverDependencies());
  expect(solver?.challengeType).toBe("http-01");
});

it("a solver whose package is not installed says how to install it, and spoils no other", async () => {
  const load = () => import(String("@renewd/no-such-sdk"));
  await expect(optionalPackage("@renewd/no-such-sdk", load)).rejects.toMatchObject({
    code: "dns.missingPackage",
    message: expect.stringContaining("npm install @renewd/no-such-sdk"),
  });
  await expect(optionalPackage("zod", () => import("zod"))).resolves.toHaveProperty("z");
});
