import { expect, test } from "vitest";
import { z } from "zod";
import { channelSchema, solverSchema, targetSchema } from "../../src/config/schema/named.ts";
import { CHANNELS, DEPLOYERS, SOLVERS } from "../support/plugins.ts";
import { configFile } from "./configFile.ts";

function file({ responsibility = "[]", defaults = "", own = "", target = "", channel = "" }): string {
  return `version: 1
issuers: { le: { directory: "https://acme.example/directory", contact: [a@example.org], termsOfServiceAgreed: true } }
solvers: { web: { type: http-01 } }
targets:
  lb-1: { type: files, fullchain: /tls/lb.pem${target} }
notifications: { ops: { type: command, command: [/bin/true]${channel} } }
responsibility: ${responsibility}
defaults: { issuer: le, solver: web, targets: [lb-1]${defaults} }
certificates:
  shop-eu:
    names: [www.shop.example.org]
    endpoints: ["www.shop.example.org:443"]
    ${own}
`;
}

const loaded = async (parts: Parameters<typeof file>[0]) => {
  await using written = await configFile(file(parts));
  const { certificates, targets, notifications } = await written.config();
  const [shop] = certificates;
  if (shop === undefined) throw new Error("no certificate was loaded");
  const lb = targets.get("lb-1");
  return { shop, target: lb?.responsibility, options: lb?.options, about: notifications.get("ops")?.about };
};
const problems = async (parts: Parameters<typeof file>[0]): Promise<string[]> => {
  await using written = await configFile(file(parts));
  return await written.problems();
};

test("who answers comes from the certificate itself, then the first pattern that has it, then the defaults", async () => {
  const { shop, target } = await loaded({
    responsibility: `
  - { certificates: ["other-*"], owner: nobody-here }
  - { names: ["*.shop.example.org"], team: shop, labels: { app: shop, stage: production } }
  - { certificates: ["shop-*"], team: late, criticality: critical, runbook: "https://wiki.example.org/tls" }
  - { targets: ["lb*1"], owner: network }`,
    defaults: ", owner: ops@example.org, labels: { company: example, stage: unknown }",
    own: "labels: { app: eu-shop }",
  });
  expect(shop.responsibility).toEqual({
    owner: "ops@example.org",
    team: "shop",
    labels: { app: "eu-shop", stage: "production", company: "example" },
    criticality: "critical",
    runbook: "https://wiki.example.org/tls",
  });
  expect(target?.owner).toBe("network");
});

test("a new owner changes no digest, so it deploys nothing again and ends no back-off", async () => {
  const before = await loaded({});
  const after = await loaded({
    responsibility: '[{ certificates: ["*"], team: web }]',
    own: "owner: alice",
    target: ", team: net, runbook: 'https://wiki.example.org/lb'",
  });
  expect(after.shop.responsibility).toMatchObject({ owner: "alice", team: "web" });
  expect(after.target?.team).toBe("net");
  for (const key of ["digest", "issueDigest", "targetDigests"] as const)
    expect(after.shop[key]).toEqual(before.shop[key]);
});

test("a target's own owner is the system user of its files, which the deployer gets and a change of which deploys", async () => {
  const before = await loaded({});
  const after = await loaded({ target: ", owner: root" });
  expect(after.target?.owner).toBeNull();
  expect(after.options).toMatchObject({ owner: "root" });
  expect(after.shop.targetDigests).not.toEqual(before.shop.targetDigests);
});

test.each([
  ["target", targetSchema, DEPLOYERS],
  ["channel", channelSchema, CHANNELS],
  ["solver", solverSchema, SOLVERS],
] as const)("no %s has an option of the name of a key that all of them take", (_, { shape }, kinds) => {
  const common = Object.keys(shape).filter((key) => key !== "type");
  for (const { type, options } of kinds) {
    const { properties = {}, anyOf = [] } = z.toJSONSchema(options, { io: "input", unrepresentable: "any" });
    const own = [properties, ...anyOf.map((branch) => branch.properties ?? {})].flatMap((keys) => Object.keys(keys));
    expect(
      own.filter((key) => common.includes(key)),
      type,
    ).toEqual([]);
  }
});

test("what is wrong is said where it is written", async () => {
  expect(await problems({ responsibility: "[{ owner: alice }]" })).toEqual([
    expect.stringContaining("says nothing of what it is about"),
  ]);
  expect(await problems({ own: 'runbook: "javascript:alert(1)"' })).toEqual([
    expect.stringContaining("must be an http or https URL"),
  ]);
  expect((await problems({ own: "criticality: urgent" })).join()).toContain("critical");
  expect(await problems({ channel: ", about: {}" })).toEqual([expect.stringContaining("says nothing: name owners")]);
});

test("a channel says whose troubles it is about", async () => {
  const { about } = await loaded({ channel: ", about: { teams: [web], criticality: [critical, high] }" });
  expect(about).toEqual({ teams: ["web"], criticality: ["critical", "high"] });
});
