// What breaks around renewd: load balancer, DNS, clock, files of targets, the database server.
import { execFile } from "node:child_process";
import { chmod } from "node:fs/promises";
import { promisify } from "node:util";
import type { ProxyAnswer } from "../support/ca/acmeProxy.ts";
import { shifted } from "../support/system/faketime.ts";
import type { Fault, Night } from "./night.ts";

const run = promisify(execFile);

/** Of HAProxy's master and its worker. */
async function signalHaproxy({ haproxy }: Night, signal: NodeJS.Signals): Promise<void> {
  const { stdout } = await run("pgrep", ["-P", String(haproxy.pid)]);
  for (const pid of [haproxy.pid, ...stdout.trim().split("\n").map(Number)]) process.kill(pid, signal);
}

/** An authorization as a CA answers that found no address for the name (RFC 8555 §6.7, §7.5.1). */
function withoutDns(answer: ProxyAnswer): ProxyAnswer {
  const found: Readonly<Record<string, unknown>> = answer.body.startsWith("{") ? JSON.parse(answer.body) : {};
  if (!Array.isArray(found.challenges)) return answer;
  const error = {
    type: "urn:ietf:params:acme:error:dns",
    detail: "DNS problem: NXDOMAIN looking up A for www.example.org",
    status: 400,
  };
  const challenges = found.challenges.map((each: object) => ({ ...each, status: "invalid", error }));
  return { ...answer, body: JSON.stringify({ ...found, status: "invalid", challenges }) };
}

export const OUTSIDE_FAULTS: readonly Fault[] = [
  {
    title: "HAProxy hangs",
    break: (night) => signalHaproxy(night, "SIGSTOP"),
    named: /\[verify\.timeout\]/,
    byHand: (night) => signalHaproxy(night, "SIGCONT"),
  },
  {
    title: "the names are gone from DNS",
    async break(night) {
      night.system.intercept(async (_request, forward) => withoutDns(await forward()));
      await night.renewd("renew", "www", "--force");
    },
    named: /NXDOMAIN.*\[acme\.dns\]/,
    isRed: false,
    byHand: async ({ system }) => system.intercept(async (_request, forward) => forward()),
    typed: /^retry www$/,
  },
  {
    title: "the clock is 40 days ahead",
    async break(night) {
      await night.process("planner").stop();
      await night.start("planner", shifted("+40d"));
    },
    named: /✗ .*clock.* (ahead|behind|off)/i,
    async byHand(night) {
      await night.process("planner").stop();
      await night.start("planner");
    },
  },
  {
    title: "others may write to the data directory",
    break: ({ system }) => chmod(system.dataDir, 0o777),
    named: /✗ data directory .* can be written to by other users \(mode 0777\); run: chmod 700/,
    byHand: ({ system }) => chmod(system.dataDir, 0o700),
  },
  {
    title: "PostgreSQL is away",
    onPostgres: true,
    break: async ({ postgres }) => postgres?.stop(),
    named: /\[store\.unavailable\]/,
    byHand: async ({ postgres }) => postgres?.restart(),
  },
];
