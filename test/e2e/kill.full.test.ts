import { describe, expect, it } from "vitest";
import type { EventType } from "../../src/domain/event.ts";
import type { ProxiedRequest } from "../support/ca/acmeProxy.ts";
import { createRoot } from "../support/ca/pki.ts";
import { stopAtCa } from "../support/ca/stopAtCa.ts";
import { type Nginx, startNginx } from "../support/servers/nginx.ts";
import { type System, startSystem, WORKER_ROLES, type WorkerRole } from "../support/system/system.ts";
import { within } from "../support/until.ts";

const NAME = "www.example.org";
/** Begun with the victim running. */
const MOMENT_MAX_MS = 45_000;
/** A busy machine takes half a minute to start a process, and the victim starts when the others run. */
const ALL_STARTED_MAX_MS = 150_000;

async function startSite(): Promise<{ nginx: Nginx; system: System } & AsyncDisposable> {
  await using starting = new AsyncDisposableStack();
  const old = await (await createRoot()).issue({ names: [NAME] });
  const nginx = starting.use(await startNginx({ certificates: { www: { serverNames: [NAME], ...old } } }));
  const file = (name: string): string => `${nginx.directory}/{certificate}/${name}.pem`;
  const system = starting.use(
    await startSystem({
      targets: {
        web: {
          type: "nginx",
          fullchain: file("fullchain"),
          privkey: file("privkey"),
          configFile: nginx.configFile,
          prefix: nginx.prefix,
        },
      },
      certificates: {
        www: { names: [NAME], targets: ["web"], endpoints: [{ host: "127.0.0.1", port: nginx.port, sni: NAME }] },
      },
    }),
  );
  const stack = starting.move();
  return { nginx, system, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/**
 * Starts the others, then the victim; kills it when `moment` resolves, starts it again, and expects the renewal to end
 * well.
 */
async function killAndRestart(
  system: System,
  role: WorkerRole,
  moment: Promise<unknown>,
  killed: () => void = () => {},
): Promise<void> {
  const survivors = WORKER_ROLES.filter((other) => other !== role).map((other) => system.worker(other));
  await Promise.all(survivors.map((worker) => worker.logged("renewd is running")));
  const victim = system.worker(role);
  await Promise.race([moment, victim.logged("renewd is running")]);
  await within(`the moment to kill ${role}`, moment, MOMENT_MAX_MS).catch((error: Error) => {
    throw new Error(
      `${error.message}; its log:\n${victim.log.join("\n")}\nthe CA was asked:\n${system.ca.requests.map(({ method, path }) => `${method} ${path}`).join("\n")}`,
    );
  });
  victim.kill("SIGKILL");
  await victim.exited;
  killed();
  system.worker(role);
  expect(await system.ended("www", 60_000)).toMatchObject({ state: "succeeded", generation: 1 });
  expect(system.orders()).toBe(1);
  expect(await system.store.versions.list("www")).toHaveLength(1);
}

describe("killing a worker process in the middle of a renewal loses nothing and costs no second order", () => {
  // The drill kill-at-ca has every request, before and after.
  it.each<[string, (request: ProxiedRequest) => boolean, "asked" | "answered"]>([
    ["with the challenge published and the CA not told", ({ path }) => path.includes("/chalZ/"), "asked"],
    ["with the order finalized and the answer lost", ({ path }) => path.includes("/finalize-order/"), "answered"],
  ])("acme, %s", { timeout: 240_000 }, async (_moment, matches, when) => {
    await using site = await startSite();
    const { reached, release } = stopAtCa(site.system, matches, when);
    await killAndRestart(site.system, "acme", reached, release);
  });

  it.each<[WorkerRole, EventType]>([
    ["planner", "renewal.planned"],
    ["deployer", "deploy.started"],
    ["verifier", "verify.started"],
  ])("%s, when %s is in the history", { timeout: 240_000 }, async (role, type) => {
    await using site = await startSite();
    await killAndRestart(site.system, role, site.system.event(type, "www", ALL_STARTED_MAX_MS));
  });
});
