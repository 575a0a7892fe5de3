import { once } from "node:events";
import { chmod, readFile, rename, rm, writeFile } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { join } from "node:path";
import type { RenewdProcess } from "../support/system/renewd.ts";
import { WORKER_ROLES, type WorkerRole } from "../support/system/system.ts";
import type { Fault, Night } from "./night.ts";
import { backUp, DISK_FAULTS, restoreBackup, stopAll } from "./nightDiskFaults.ts";
import { OUTSIDE_FAULTS } from "./nightOutsideFaults.ts";

const key = ({ system }: Night): string => join(system.dataDir, "master.key");

/** Changes a file, and keeps what it held beside it. */
async function spoil(file: string, change: (text: string) => string): Promise<void> {
  const text = await readFile(file, "utf8");
  await writeFile(`${file}.before`, text);
  await writeFile(file, change(text));
}

async function putBack(file: string): Promise<void> {
  await writeFile(file, await readFile(`${file}.before`, "utf8"));
}

function stopped(role: WorkerRole): Fault {
  return {
    title: `the ${role} is stopped`,
    break: async (night) => void (await night.process(role).stop()),
    named: new RegExp(`✗ no ${role} runs: .* was stopped`),
    typed: new RegExp(`^worker ${role}$`),
  };
}

/** In this order: each begins with a green screen. */
export const FAULTS: readonly Fault[] = [
  ...WORKER_ROLES.map(stopped),
  {
    title: "a worker is killed",
    async break(night) {
      night.process("verifier").kill("SIGKILL");
      await night.process("verifier").exited;
    },
    named: /✗ no verifier runs: .* last reported .* ago and did not stop in order/,
    typed: /^worker verifier$/,
  },
  {
    title: "everything is stopped",
    break: stopAll,
    named: /✗ no planner, acme, deployer or verifier runs/,
    typed: /^worker /,
  },
  {
    title: "Redis is away",
    break: ({ system }) => system.redis.stop(),
    named: /✗ Redis at .* is not reachable.*\n? +do +Start Redis/,
    byHand: ({ system }) => system.redis.restart(),
  },
  {
    title: "the file has a mistake",
    break: ({ system }) => spoil(system.configFile, (text) => text.replace("issuers:", "isuers:")),
    named: /✗ .*renewd\.yaml is wrong, so renewd cannot start or reload: .*isuers/,
    byHand: ({ system }) => putBack(system.configFile),
  },
  {
    title: "a reload is refused",
    async break(night) {
      await spoil(night.system.configFile, (text) => `${text}plannner: {}\n`);
      const refused = night.process("planner").loggedAgain("not reloaded");
      night.process("planner").kill("SIGHUP");
      await refused;
      await putBack(night.system.configFile);
    },
    named: /✗ .*renewd\.yaml was not reloaded.*plannner/,
    byHand: async (night) => {
      const reloaded = night.process("planner").loggedAgain("configuration reloaded");
      night.process("planner").kill("SIGHUP");
      await reloaded;
    },
  },
  {
    title: "the master key is missing",
    break: (night) => rename(key(night), `${key(night)}.away`),
    named: /✗ the master key .*master\.key is missing/,
    byHand: (night) => rename(`${key(night)}.away`, key(night)),
  },
  {
    title: "the master key can be read by others",
    break: (night) => chmod(key(night), 0o644),
    named: /✗ master key .* can be read by other users \(mode 0644\); run: chmod 600/,
    byHand: (night) => chmod(key(night), 0o600),
  },
  {
    title: "the CA is away while a certificate is renewed",
    async break(night) {
      night.system.intercept(async () => ({ status: 503, headers: {}, body: "" }));
      await night.renewd("renew", "www", "--force");
    },
    named: /\[acme\.\w+\]/,
    isRed: false,
    byHand: async ({ system }) => system.intercept(async (_request, forward) => forward()),
    typed: /^retry www$/,
  },
  {
    title: "nginx' configuration is broken when a pair is deployed",
    async break(night) {
      await spoil(night.nginx.configFile, (text) => text.replace("http {", "http { nonsense on;"));
      await night.renewd("renew", "www", "--force");
    },
    named: /\[deploy\.\w+\]/,
    byHand: ({ nginx }) => putBack(nginx.configFile),
    typed: /^retry www$/,
  },
  {
    title: "the channel refuses",
    async break(night) {
      await writeFile(join(night.home, "page"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
      await night.renewd("renew", "www", "--force", "--wait");
    },
    named: /✗ channel ops has failed/,
    byHand: (night) => writeFile(join(night.home, "page"), "#!/bin/sh\nexit 0\n", { mode: 0o755 }),
    typed: /^notify ops$/,
  },
  {
    title: "another installation uses the database",
    async break(night) {
      const other = join(night.system.home, "other.yaml");
      const text = await readFile(night.system.configFile, "utf8");
      await writeFile(other, text.replace("  www:", "  www:\n    keyType: rsa-2048"));
      const { startRenewd } = await import("../support/system/renewd.ts");
      others.set(night, startRenewd(["-c", other, "worker", "planner"]));
    },
    named: /✗ 2 planners use one database with different configurations/,
    byHand: async (night) => {
      await others.get(night)?.stop();
      night.process("planner").kill("SIGHUP");
    },
  },
  {
    title: "the database is damaged",
    async break(night) {
      await backUp(night);
      for (const suffix of ["-wal", "-shm"])
        await rm(join(night.system.dataDir, `renewd.db${suffix}`), { force: true });
      await writeFile(join(night.system.dataDir, "renewd.db"), "this is no database any more".repeat(300));
    },
    named: /what to do: .*restore the newest backup: `renewd restore FILE`.*\[store\.damaged\]/,
    byHand: restoreBackup,
  },
  {
    title: "another program has the responder's port",
    async break(night) {
      await night.process("acme").stop();
      const server = createServer((socket) => socket.on("error", () => undefined).end()).listen(
        night.system.pebble.httpPort,
        "127.0.0.1",
      );
      await once(server, "listening");
      squatters.set(night, server);
      // It runs on, and tries again until the port is free.
      await night.start("acme");
    },
    named: /✗ http-01 responder: another program listens on port \d+/,
    async byHand(night) {
      const closed = squatters.get(night);
      closed?.close();
      if (closed !== undefined) await once(closed, "close");
    },
  },
  {
    title: "a worker hangs",
    async break(night) {
      const hanging = night.process("verifier");
      hanging.kill("SIGSTOP");
      hung.set(night, hanging);
    },
    named: /✗ no verifier runs: .* last reported/,
    async byHand(night) {
      hung.get(night)?.kill("SIGKILL");
      await hung.get(night)?.exited;
    },
    typed: /^worker verifier$/,
  },
  ...OUTSIDE_FAULTS,
  ...DISK_FAULTS,
];

const others = new WeakMap<Night, { stop(): Promise<number | null> }>();
const squatters = new WeakMap<Night, Server>();
const hung = new WeakMap<Night, RenewdProcess>();
