import { copyFile, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openReader } from "../../src/compose/index.ts";
import { stopAtCa } from "../support/ca/stopAtCa.ts";
import { startHaproxy } from "../support/servers/haproxy.ts";
import { type Postgres, startPostgres } from "../support/servers/postgres.ts";
import { servedFingerprint } from "../support/servers/served.ts";
import { renewd } from "../support/system/renewd.ts";
import { type Section, startSystem } from "../support/system/system.ts";

const NAME = "www.example.org";

describe("four workers on PostgreSQL", () => {
  let postgres: Postgres;
  let directory: string;
  beforeAll(async () => {
    postgres = await startPostgres();
    directory = await mkdtemp(join(tmpdir(), "renewd-postgresql-"));
  });
  afterAll(async () => {
    await postgres[Symbol.asyncDispose]();
    await rm(directory, { recursive: true, force: true });
  });

  /** A new database, as configuration names it: its URL, which holds the password, is in a file. */
  async function storeSection(name: string): Promise<Section> {
    const file = join(directory, name);
    await writeFile(file, (await postgres.createDatabase()).reveal(), { mode: 0o600 });
    return { store: { type: "postgresql", url: `file:${file}` } };
  }

  it("renew, and take over an order whose worker was killed, without a second one", { timeout: 240_000 }, async () => {
    await using haproxy = await startHaproxy();
    await using system = await startSystem({
      targets: { lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` } },
      certificates: {
        www: { names: [NAME], targets: ["lb"], endpoints: [{ host: "127.0.0.1", port: haproxy.port, sni: NAME }] },
      },
      sections: await storeSection("killed.url"),
    });
    for (const role of ["planner", "deployer", "verifier"] as const) system.worker(role);
    // Not at any moment after the order was opened: killed while the CA dials it, the only responder costs the order.
    const { reached, release } = stopAtCa(system, ({ path }) => path.includes("/authZ/"), "asked");
    const victim = system.worker("acme");
    await reached;
    victim.kill("SIGKILL");
    await victim.exited;
    release();
    system.worker("acme");

    expect(await system.ended("www", 120_000)).toMatchObject({ state: "succeeded", generation: 1 });
    expect(system.orders()).toBe(1);
    const versions = await system.store.versions.list("www");
    expect(versions.map(({ leaf }) => leaf.fingerprint)).toEqual([await servedFingerprint(haproxy.port, NAME)]);
  });

  it("go on where an embedded installation was: same account, same history, next generation", {
    timeout: 240_000,
  }, async () => {
    await using haproxy = await startHaproxy();
    await using system = await startSystem({
      targets: { lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` } },
      certificates: {
        www: { names: [NAME], targets: ["lb"], endpoints: [{ host: "127.0.0.1", port: haproxy.port, sni: NAME }] },
      },
    });
    await system.workers();
    await system.ended("www", 120_000);
    const embedded = join(system.home, "embedded.yaml");
    await copyFile(system.configFile, embedded);
    const history = await system.store.events.list({ limit: 1_000 });
    // From here on it has nobody but the workers.
    await system.app.close();
    await system.configure({ sections: await storeSection("moved.url") });
    const move = () => renewd(["-c", embedded, "store", "copy", "--to-config", system.configFile]);
    expect(await move()).toMatchObject({
      code: 2,
      stderr: expect.stringContaining("other renewd processes have it open): stop every worker first"),
    });
    await Promise.all(system.running().map((worker) => worker.stop()));
    const accounts = system.ca.count("newAccount");
    expect(accounts).toBeGreaterThan(0);

    expect(await move()).toMatchObject({
      code: 0,
      stdout: expect.stringContaining("1 certificate, 1 version, 1 renewal, "),
    });
    await system.workers();
    expect(await renewd(["-c", system.configFile, "renew", "www", "--force", "--wait"])).toMatchObject({ code: 0 });

    await using moved = await openReader(system.configFile);
    const latest = await moved.store.versions.latest("www");
    expect(latest?.generation).toBe(2);
    expect(await servedFingerprint(haproxy.port, NAME)).toBe(latest?.leaf.fingerprint);
    expect(system.ca.count("newAccount")).toBe(accounts);
    const events = await moved.store.events.list({ limit: 1_000 });
    expect(events.slice(0, history.length)).toEqual(history);
    expect(events.length).toBeGreaterThan(history.length);
    expect(await move()).toMatchObject({ code: 2, stderr: expect.stringContaining("is not empty") });
  });
});
