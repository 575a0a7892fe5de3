// An exercise with real parts: HAProxy serves an expired certificate, people are paged, renewd is killed meanwhile.
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { freePort } from "../support/freePort.ts";
import { startHaproxy } from "../support/servers/haproxy.ts";
import { runCaptured } from "../support/system/installation.ts";
import { startReceiver } from "../support/system/receiver.ts";
import { startRenewd } from "../support/system/renewd.ts";
import { startSystem } from "../support/system/system.ts";
import { until } from "../support/until.ts";

const NAME = "sacrificial.example.org";
const MAX_MS = 90_000;

it("breaks a marked certificate really, pages, outlives kill -9, and puts it right when somebody acknowledges", {
  timeout: 240_000,
}, async () => {
  await using haproxy = await startHaproxy();
  await using receiver = await startReceiver();
  const port = await freePort();
  await using system = await startSystem({
    targets: { lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` } },
    certificates: {
      sacrificial: {
        ...{ names: [NAME], targets: ["lb"], sacrificial: true },
        endpoints: [{ host: "127.0.0.1", port: haproxy.port, sni: NAME }],
      },
    },
    sections: {
      redis: undefined,
      web: { port, url: `http://127.0.0.1:${port}` },
      observation: { every: "1s" },
      planner: { tick: "1s", sweep: "1s" },
      notifications: { ops: { type: "webhook", url: "file:hook" } },
      alerts: { openAfter: "1ms", resolveAfter: "1ms" },
      exercise: { certificate: "sacrificial", every: "1h", acknowledgeWithin: "10m" },
    },
  });
  await writeFile(join(system.home, "hook"), receiver.url, { mode: 0o600 });
  const args = ["--config", system.configFile];
  await using first = startRenewd(["run", "--yes", ...args]);
  const { store } = system;
  const exercise = (what: string, isSo: (run: Awaited<ReturnType<typeof store.exercises.list>>[number]) => boolean) =>
    until(what, async () => (await store.exercises.list(1)).find(isSo) ?? null, MAX_MS);
  const page = () =>
    until(
      "the page",
      async () =>
        receiver.received
          .map(({ body }) => body as Sent)
          .find(({ severity, text }) => severity === "page" && text.includes("sacrificial")) ?? null,
      MAX_MS,
    );
  await exercise("the break", ({ brokenAt }) => brokenAt !== null);
  first.kill("SIGKILL");
  await first.exited;

  await using _second = startRenewd(["run", "--yes", ...args]);
  const { text, acknowledgeUrl } = await page();
  expect(text).toMatch(/sacrificial.*does not serve it/);
  expect(text).toContain("exercise");
  const scan = JSON.parse((await runCaptured(["scan", `127.0.0.1:${haproxy.port}`, "--sni", NAME, "--json"])).stdout);
  expect(JSON.stringify(scan)).toContain("broken on purpose");

  await exercise("the receipt", (run) => run.alert !== null && run.notifiedAt !== null);
  const { origin, pathname, searchParams } = new URL(acknowledgeUrl);
  const form = new URLSearchParams({ token: searchParams.get("token") ?? "", name: "Anna", reason: "seen" });
  const answer = await fetch(`${origin}${pathname}`, { method: "POST", body: form });
  expect(await answer.text()).toContain("By Anna");
  const over = await exercise("the end", ({ finishedAt }) => finishedAt !== null);
  expect(over).toMatchObject({ outcome: "acknowledged", acknowledgedBy: expect.stringContaining("Anna") });
  const latest = await store.versions.latest("sacrificial");
  expect(latest).toMatchObject({ generation: 2, verifiedAt: expect.any(Number) });
  const report = JSON.parse((await runCaptured(["alerts", "--json", ...args])).stdout);
  expect(report.exercises.runs).toMatchObject([
    { state: "over", outcome: "acknowledged", minutes: expect.any(Number) },
  ]);
});

interface Sent {
  readonly severity: string;
  readonly text: string;
  readonly acknowledgeUrl: string;
}
