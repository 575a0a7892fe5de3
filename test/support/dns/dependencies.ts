import type { DnsRecord, DnsStore } from "../../../src/domain/dnsRecord.ts";
import type { NamedSolver, Solver } from "../../../src/domain/issuer.ts";
import { Secret } from "../../../src/domain/secret.ts";
import type { SolverDependencies } from "../../../src/solvers/index.ts";
import { memoryChallenges } from "../model/orderMemory.ts";

export function named(solver: Solver, zones: readonly string[] = [], name = "solver"): NamedSolver {
  return { name, zones, solver };
}

/** Everything a solver is made with, in memory. */
export function solverDependencies(change: Partial<SolverDependencies> = {}): SolverDependencies {
  return {
    solver: "solver",
    challenges: memoryChallenges(),
    dns: memoryDns(),
    now: Date.now,
    secret: async ({ at }) => new Secret(at),
    ...change,
  };
}

export interface MemoryDns extends DnsStore {
  readonly rows: Map<string, DnsRecord>;
}

/** One process alone: the real store's tests cover several. */
export function memoryDns(): MemoryDns {
  const rows = new Map<string, DnsRecord>();
  const held = new Map<string, string>();
  const rates = new Map<string, { nextAt: number; silentUntil: number }>();
  const all = (): DnsRecord[] => [...rows.values()];
  return {
    rows,
    records: {
      async insert(record) {
        rows.set(record.id, record);
      },
      async update(id, patch) {
        const row = rows.get(id);
        if (row !== undefined) rows.set(id, { ...row, ...patch });
      },
      async delete(id) {
        rows.delete(id);
      },
      async find({ solver, identifier, value, client }) {
        const found = all()
          .filter((row) => row.solver === solver && row.identifier === identifier)
          .filter((row) => row.value === value && row.client === client)
          .toReversed();
        return found.find(({ state }) => state !== "removing") ?? found[0] ?? null;
      },
      at: async ({ zoneId, zoneName }, name) =>
        all().filter((row) => row.zoneId === zoneId && row.zoneName === zoneName && row.name === name),
      list: async (limit) => all().slice(0, limit),
      leftovers: async (now, limit) =>
        all()
          .filter((row) => row.state === "removing" || row.expiresAt <= now)
          .slice(0, limit),
    },
    locks: {
      async take(key, holder) {
        if (held.has(key) && held.get(key) !== holder) return false;
        held.set(key, holder);
        return true;
      },
      async release(key, holder) {
        if (held.get(key) === holder) held.delete(key);
      },
    },
    rates: {
      async turn(key, { everyMs, burst }, { now, latest }) {
        const row = rates.get(key) ?? { nextAt: 0, silentUntil: 0 };
        const nextAt = Math.max(now, row.nextAt);
        const at = Math.max(now, nextAt - (burst - 1) * everyMs, row.silentUntil);
        if (at <= latest) rates.set(key, { ...row, nextAt: Math.max(nextAt, at) + everyMs });
        return at;
      },
      async silence(key, until) {
        rates.set(key, { nextAt: rates.get(key)?.nextAt ?? 0, silentUntil: until });
      },
    },
  };
}
