import { expect, it } from "vitest";
import type { Role } from "../../src/compose/roleNames.ts";
import { createSupervisor } from "../../src/compose/supervisor.ts";
import { raceAbort } from "../../src/domain/abort.ts";
import { RenewalError } from "../../src/domain/errors.ts";
import { until } from "../support/until.ts";

const LOG = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };
const ROLES = ["planner", "acme", "verifier"] as const;

function fixture(failing: Map<Role, Error>) {
  const [running, notes, sleepers] = [[] as Role[], [] as string[], [] as (() => void)[]];
  const supervisor = createSupervisor({
    log: LOG,
    clock: {
      now: Date.now,
      monotonic: () => performance.now(),
      sleep: (_durationMs, signal) => raceAbort(signal, () => new Promise<void>((resolve) => sleepers.push(resolve))),
    },
    // Only faults are written, and there are none.
    store: { events: { append: async () => expect.unreachable() } },
    async start(role) {
      const error = failing.get(role);
      if (error !== undefined) throw error;
      running.push(role);
      return { close: async () => void running.splice(running.indexOf(role), 1) };
    },
    note: (role, problem) => void notes.push(`${role}: ${problem?.code ?? "runs"}`),
  });
  const retry = async (): Promise<void> => (await until("a retry", async () => sleepers.shift() ?? null))();
  return { supervisor, running, notes, retry };
}

const denied = new RenewalError("process.files", "EACCES: /var/lib/renewd/x");

it("a role that cannot start is reported and tried until it starts, while the others run", async () => {
  const failing = new Map<Role, Error>([["acme", denied]]);
  const { supervisor, running, notes, retry } = fixture(failing);
  await supervisor.start(ROLES);
  expect(running).toEqual(["planner", "verifier"]);
  expect(notes).toEqual(["acme: process.files"]);
  await retry();
  await until("the second failure", async () => notes[1] ?? null);
  failing.clear();
  await retry();
  await until("acme to run", async () => (running.includes("acme") ? true : null));
  expect(notes).toEqual(["acme: process.files", "acme: process.files", "acme: runs"]);
  await supervisor.close();
  expect(running).toEqual([]);
});

it("a role that is still tried when the process stops does not keep it from stopping", async () => {
  const { supervisor, running } = fixture(new Map([["acme", denied]]));
  await supervisor.start(ROLES);
  await supervisor.close();
  expect(running).toEqual([]);
});

it.each<[string, readonly Role[], Error, string]>([
  ["is the only one", ["acme"], denied, "process.files"],
  ["meets a mistake in the configuration", ROLES, new RenewalError("config.invalid", "no such user"), "config.invalid"],
  ["meets a bug", ROLES, new TypeError("x is undefined"), "internal.bug"],
])("a role that cannot start and %s ends the start with its error", async (_, roles, error, code) => {
  const { supervisor } = fixture(new Map<Role, Error>([["acme", error]]));
  await expect(supervisor.start(roles)).rejects.toMatchObject({ code });
  await supervisor.close();
});
