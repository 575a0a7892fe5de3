import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import type { Context } from "../../src/renewal/context.ts";
import { rehearseDue } from "../../src/renewal/watch/rehearseDue.ts";
import { runCaptured } from "../support/system/installation.ts";
import { oneProcess } from "../support/system/oneProcess.ts";
import { startSystem } from "../support/system/system.ts";

it("a rehearsal orders at staging with the same solver, asks every target, and leaves production alone", {
  timeout: 60_000,
}, async () => {
  const certificate = { names: ["www.example.org"], targets: ["web", "gone"], endpoints: ["www.example.org"] };
  await using system = await startSystem({
    // A CA that would validate each name once and remember it: a token that was rotated since would not be noticed.
    pebble: { env: { PEBBLE_AUTHZREUSE: "100" } },
    targets: { web: { type: "files", directory: "/nonexistent/web", bundle: "{certificate}.pem" } },
    certificates: { www: { ...certificate, targets: ["web"] } },
  });
  const web = join(system.home, "web");
  await mkdir(web);
  const issuer = (directory: string, staging?: string) => ({
    directory,
    trust: "ca.pem",
    termsOfServiceAgreed: true,
    ...(staging && { staging }),
  });
  await system.configure({
    // Nobody answers in production: whatever is sent there fails.
    sections: {
      issuers: { ca: issuer("https://127.0.0.1:1/dir", system.ca.directory), bare: issuer("https://127.0.0.1:1/dir") },
    },
    targets: {
      web: { type: "files", directory: web, bundle: "{certificate}.pem" },
      gone: { type: "files", directory: "/nonexistent/gone", bundle: "{certificate}.pem" },
    },
    certificates: {
      www: certificate,
      api: {
        ...certificate,
        names: ["api.example.org"],
        endpoints: ["api.example.org"],
        issuer: "bare",
        targets: ["web"],
      },
    },
  });
  await using process = await oneProcess(system);
  const run = (...args: string[]) => runCaptured(["-c", system.configFile, ...args]);

  expect(await run("rehearse")).toMatchObject({ code: 2, stderr: expect.stringContaining("--all") });
  const { code, stdout } = await run("rehearse", "--all", "--json");
  const { passed, steps } = JSON.parse(stdout);
  expect(steps.map((step: Record<string, string>) => [step.certificate, step.step, step.result])).toEqual([
    ["www", "order", "passed"],
    ["www", "target web", "passed"],
    ["www", "target gone", "failed"],
    ["www", "endpoint www.example.org:443", "notChecked"],
    ["api", "order", "notChecked"],
    ["api", "target web", "passed"],
    ["api", "endpoint api.example.org:443", "notChecked"],
  ]);
  expect({ code, passed }).toEqual({ code: 1, passed: false });
  expect(steps[0].message).toContain("Pebble");
  expect(steps[2].message).toContain("/nonexistent/gone");
  expect(system.orders()).toBe(1);
  expect(await process.app.store.versions.list("www")).toEqual([]);
  expect(
    await process.app.store.events.list({ types: ["certificate.rehearsed"], certificate: "www", limit: 5 }),
  ).toMatchObject([{ detail: { passed: false } }]);
  const again = (await run("rehearse", "www")).stdout;
  expect(again).toMatch(/www +order +passed +validated 1 name/);
  expect(again).toMatch(/www +target gone +failed/);

  system.intercept(async ({ payload }) => {
    const deactivates =
      typeof payload === "object" && payload !== null && "status" in payload && payload.status === "deactivated";
    const problem = { type: "urn:ietf:params:acme:error:malformed", detail: "authorizations stay as they are" };
    return deactivates
      ? { status: 400, headers: { "content-type": "application/problem+json" }, body: JSON.stringify(problem) }
      : null;
  });
  expect((await run("rehearse", "www")).stdout).toMatch(/www +order +passed/);
  expect((await run("rehearse", "www")).stdout).toMatch(
    /www +order +not checked +the CA still trusts an earlier validation of 1 of 1 names/,
  );
});

const DAY_MS = 86_400_000;

it("rehearses by itself what has waited longest, one at a time, and says in status what has to be mended", {
  timeout: 60_000,
}, async () => {
  const certificate = (name: string, targets: readonly string[]) => ({
    names: [`${name}.example.org`],
    targets,
    endpoints: [`${name}.example.org`],
  });
  await using system = await startSystem({
    targets: { web: { type: "files", directory: "/nonexistent/web", bundle: "{certificate}.pem" } },
    certificates: { www: certificate("www", ["web"]) },
  });
  const web = join(system.home, "web");
  const agreed = { trust: "ca.pem", termsOfServiceAgreed: true };
  const nowhere = "https://127.0.0.1:1/dir";
  const issuers = {
    ca: { directory: nowhere, staging: system.ca.directory, ...agreed },
    down: { directory: nowhere, staging: nowhere, ...agreed },
  };
  await system.configure({
    sections: { issuers, rehearsal: { every: "30d" } },
    targets: {
      web: { type: "files", directory: web, bundle: "{certificate}.pem" },
      far: { type: "files", directory: "/nonexistent/far", bundle: "{certificate}.pem", agent: true },
    },
    // The second's staging CA does not answer; the third's target is another machine's.
    certificates: {
      www: certificate("www", ["web"]),
      api: { ...certificate("api", []), issuer: "down", targets: ["far"] },
    },
  });
  await using process = await oneProcess(system);
  const { store } = process.app;
  let aheadMs = 0;
  const { clock, settings } = process.context;
  const context: Context = { ...process.context, clock: { ...clock, now: () => clock.now() + aheadMs } };
  expect(settings.rehearseMs).toBe(30 * DAY_MS);
  const signal = new AbortController().signal;
  const all = async (): Promise<string[]> => {
    const names: string[] = [];
    for (
      let name = await rehearseDue(context, signal);
      name !== null && names.length < 5;
      name = await rehearseDue(context, signal)
    )
      names.push(name);
    return names.toSorted();
  };

  expect(await all()).toEqual(["api", "www"]);
  const rehearsed = async (name: string) =>
    (await store.events.list({ types: ["certificate.rehearsed"], certificate: name, limit: 9 })).map(
      ({ detail }) => detail,
    );
  expect(await rehearsed("www")).toMatchObject([{ passed: false, failed: [expect.stringContaining("target web: ")] }]);
  expect(await rehearsed("api")).toMatchObject([
    { passed: false, failed: [expect.stringContaining("order: Cannot reach CA")] },
  ]);
  expect(await store.certificates.get("api")).toMatchObject({ rehearsalProblem: null });
  const run = (...args: string[]) => runCaptured(["-c", system.configFile, ...args]);
  const problem = expect.stringMatching(/^the last rehearsal of certificate www failed: target web: .*\/web/);
  // No process runs, which status says too.
  const notices = async (): Promise<{ kind: string }[]> =>
    JSON.parse((await run("status", "--json")).stdout).notices.filter(
      ({ kind }: { kind: string }) => kind === "rehearsal",
    );
  expect(await notices()).toMatchObject([{ what: problem, certificates: ["www"], needsPerson: true }]);

  await mkdir(web);
  expect(await rehearseDue(context, signal)).toBeNull();
  aheadMs = 2 * DAY_MS;
  expect(await all()).toEqual(["api", "www"]);
  expect((await rehearsed("www")).at(-1)).toMatchObject({
    passed: true,
    failed: [],
    codes: [],
    steps: ["order", "target web"],
  });
  expect(await notices()).toEqual([]);
  aheadMs = 20 * DAY_MS;
  expect(await all()).toEqual(["api"]);
  aheadMs = 60 * DAY_MS;
  expect(await all()).toEqual(["api", "www"]);
  expect(system.orders()).toBe(3);
});

it("rehearses nothing by itself unless it is told to", async () => {
  await using system = await startSystem({
    targets: { web: { type: "files", directory: "/nonexistent/web", bundle: "{certificate}.pem" } },
    certificates: { www: { names: ["www.example.org"], targets: ["web"], endpoints: ["www.example.org"] } },
  });
  await using process = await oneProcess(system);
  expect(await rehearseDue(process.context, new AbortController().signal)).toBeNull();
  expect(await process.app.store.events.list({ types: ["certificate.rehearsed"], limit: 1 })).toEqual([]);
});
