import { expect, it } from "vitest";
import { openReader } from "../../src/compose/index.ts";
import { renewd, startRenewd } from "../support/system/renewd.ts";
import { until } from "../support/until.ts";
import { configured } from "./configured.ts";

const PLANT = new URL("../support/system/plantFaults.ts", import.meta.url).pathname;

const status = async (url: string): Promise<number | null> =>
  fetch(url, { signal: AbortSignal.timeout(2_000) }).then(
    (response) => response.status,
    () => null,
  );

it("a rejection that nobody awaits restarts the role it came from, is recorded, and ends nothing else", {
  timeout: 90_000,
}, async () => {
  const { configFile, url } = await configured();
  await using running = startRenewd(["run", "--yes", "--config", configFile], { NODE_OPTIONS: `--import=${PLANT}` });
  await running.logged("renewd is running");
  const listening = running.loggedAgain("http-01 responder listening");
  const again = running.loggedAgain("role runs again");
  const fault = running.loggedAgain("internal fault");
  await status(`${url}/plant-rejection`);
  expect(JSON.parse(await fault)).toMatchObject({ role: "acme", err: { type: "TypeError" } });
  expect(JSON.parse(await again)).toMatchObject({ role: "acme" });
  await listening;
  expect(running.ended()).toBe(false);
  expect(running.log.filter((line) => line.includes("role runs again"))).toHaveLength(1);

  // The restarted role answers and takes jobs; the planner, which was left alone, accepts a request.
  expect(await status(`${url}/anything`)).toBe(404);
  const asked = await renewd(["renew", "www", "--force", "--config", configFile]);
  expect(asked.code, asked.stderr).toBe(0);
  await using reader = await openReader(configFile);
  const at = (await reader.store.events.list({ types: ["process.fault"], limit: 10 })).map(({ seq, detail }) => {
    expect(detail.role).toBe("acme");
    expect(detail.error).toMatch(/^TypeError/);
    expect(detail.error).not.toContain("hunter2");
    return seq;
  });
  expect(at).toHaveLength(1);
  await until("an attempt to issue after the restart", async () => {
    const [latest] = await reader.store.events.list({ types: ["issue.started", "issue.failed"], limit: 1 });
    return latest !== undefined && latest.seq > (at[0] ?? 0) ? latest : null;
  });
  expect(await running.stop()).toBe(0);
});

it("a process whose faults go on ends with an error, so that it is started again", { timeout: 120_000 }, async () => {
  const { configFile, url } = await configured();
  await using whole = startRenewd(["run", "--yes", "--config", configFile], { NODE_OPTIONS: `--import=${PLANT}` });
  await whole.logged("renewd is running");
  for (let fault = 1; !whole.ended(); fault++) {
    const again = whole.loggedAgain("role runs again").catch(() => null);
    await status(`${url}/plant-${fault % 2 === 0 ? "rejection" : "throw"}`);
    await again;
    expect(fault).toBeLessThan(10);
  }
  expect(await whole.exited).toBe(1);
  expect(whole.log.join("\n")).toContain("too many of them: the process ends");
});
