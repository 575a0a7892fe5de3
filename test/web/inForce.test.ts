// What a person decides while the file on disk is wrong, and renewd runs by the one before.
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { rename, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { writeAddress } from "../../src/compose/webAddress.ts";
import { nodeListener } from "../../src/web/nodeListener.ts";
import { renewal, version } from "../support/model/facts.ts";
import { createWebEstate, type WebEstate } from "../support/system/webEstate.ts";

let estate: WebEstate;
let server: ReturnType<typeof createServer>;
beforeEach(async () => {
  estate = await createWebEstate();
  server = createServer(nodeListener(estate.app, estate.web.readers)).listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  await writeAddress(join(estate.installation.directory, "data"), `http://127.0.0.1:${port}`);
  await writeFile(estate.installation.configFile, "version: 1\ndataDir: data\nisuers: {}\n");
});
afterEach(async () => {
  server.close();
  server.closeAllConnections();
  await estate[Symbol.asyncDispose]();
});

test("a renewal, a retry and a deployment are taken by what runs, and the mistake is said", async () => {
  const { installation, store } = estate;
  await installation.issue(version({ certificate: "www" }));
  const asked = await installation.run("renew", "www", "--reason", "at night");
  expect([asked.code, asked.stdout]).toEqual([0, expect.stringMatching(/^www {2}renewal \S+/)]);
  expect(asked.stderr).toMatch(
    /renewd\.yaml:3:1.*isuers.*\n.*is wrong: this is done by the configuration in force, at http:/,
  );
  const [begun] = await store.renewals.list({ certificate: "www", limit: 1 });
  expect(begun).toMatchObject({ trigger: "request", reasonDetail: expect.stringContaining("at night") });

  await store.renewals.insert(renewal({ id: "aaaaaaaa-1", certificate: "api", state: "failed" }));
  const again = await installation.run("retry", "api");
  expect([again.code, again.stdout]).toEqual([0, expect.stringContaining("the planner decides at its next tick")]);
  const unknown = await installation.run("deploy", "wwww");
  expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining('"wwww" is not configured')]);
});

test("where nothing runs by it, every mistake is said and nothing is done", async () => {
  server.close();
  server.closeAllConnections();
  const refused = await estate.installation.run("renew", "www");
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("isuers")]);
  expect(await estate.store.renewals.list({ certificate: "www", limit: 1 })).toEqual([]);
});

test("a port that its process has left to another one gets no token", async () => {
  const data = join(estate.installation.directory, "data");
  await rename(join(data, `web-${process.pid}.url`), join(data, `web-${spawnSync("true").pid}.url`));
  const asked: string[] = [];
  server.on("request", ({ headers }) => asked.push(headers.authorization ?? "none"));
  const refused = await estate.installation.run("renew", "www");
  expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining("isuers")]);
  expect(asked).not.toContainEqual(expect.stringContaining("Bearer"));
});
