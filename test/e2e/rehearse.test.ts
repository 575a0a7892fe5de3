import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { runCaptured } from "../support/installation.ts";
import { oneProcess } from "../support/oneProcess.ts";
import { startSystem } from "../support/system.ts";

it("a rehearsal orders at staging with the same solver, asks every target, and leaves production alone", { timeout: 60_000 }, async () => {
  const certificate = { names: ["www.example.org"], targets: ["web", "gone"], endpoints: ["www.example.org"] };
  await using system = await startSystem({
    targets: { web: { type: "files", directory: "/nonexistent/web", bundle: "{certificate}.pem" } },
    certificates: { www: { ...certificate, targets: ["web"] } },
  });
  const web = join(system.home, "web");
  await mkdir(web);
  const issuer = (directory: string, staging?: string) => ({ directory, trust: "ca.pem", termsOfServiceAgreed: true, ...(staging && { staging }) });
  await system.configure({
    // Nobody answers in production: whatever is sent there fails.
    sections: { issuers: { ca: issuer("https://127.0.0.1:1/dir", system.ca.directory), bare: issuer("https://127.0.0.1:1/dir") } },
    targets: {
      web: { type: "files", directory: web, bundle: "{certificate}.pem" },
      gone: { type: "files", directory: "/nonexistent/gone", bundle: "{certificate}.pem" },
    },
    certificates: { www: certificate, api: { ...certificate, names: ["api.example.org"], endpoints: ["api.example.org"], issuer: "bare", targets: ["web"] } },
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
    ["api", "order", "notChecked"],
    ["api", "target web", "passed"],
  ]);
  expect({ code, passed }).toEqual({ code: 1, passed: false });
  expect(steps[0].message).toContain("Pebble");
  expect(steps[2].message).toContain("/nonexistent/gone");
  expect(system.orders()).toBe(1);
  expect(await process.app.store.versions.list("www")).toEqual([]);
  expect(await process.app.store.events.list({ types: ["certificate.rehearsed"], certificate: "www", limit: 5 })).toMatchObject([
    { detail: { passed: false } },
  ]);
  expect((await run("rehearse", "www")).stdout).toMatch(/www +target gone +failed/);
});
