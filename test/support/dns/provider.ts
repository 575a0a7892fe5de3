// A DNS provider in memory, by each model of the engine: what it holds is what a name server of the test serves.
import { z } from "zod";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { DnsProvider, DnsProviderKind, ProviderTraits, Zone } from "../../../src/solvers/dns/provider.ts";

export type Model = "record" | "blind" | "rrset" | "wholeZone";

export interface MemoryProvider {
  readonly kind: DnsProviderKind<object>;
  readonly zones: Zone[];
  /** `name value` of each TXT record, with its id. */
  readonly held: { name: string; value: string; id: string }[];
  /** Of each record that was created by itself, in seconds. */
  readonly ttls: number[];
  /** Every call, such as `create _acme-challenge.example.org`. */
  readonly calls: string[];
  /** Called before each change; throwing is the provider's refusal. */
  beforeChange: (call: string) => Promise<void> | void;
  afterChange: (call: string) => Promise<void> | void;
  status: NonNullable<DnsProvider["status"]> | null;
  /** Lists only the zones that could hold the name. */
  listsByName: boolean;
  values(name: string): string[];
}

export function memoryProvider(model: Model, zones: readonly Zone[], traits: ProviderTraits = {}): MemoryProvider {
  let ids = 0;
  const change = async (call: string, work: () => void): Promise<void> => {
    provider.calls.push(call);
    await provider.beforeChange(call);
    work();
    await provider.afterChange(call);
  };
  const add = (name: string, value: string): string => {
    const id = `id-${++ids}`;
    provider.held.push({ name, value, id });
    return id;
  };
  const drop = (fits: (one: { name: string; value: string; id: string }) => boolean): void => {
    for (let i = provider.held.length - 1; i >= 0; i--) {
      const one = provider.held[i];
      if (one !== undefined && fits(one)) provider.held.splice(i, 1);
    }
  };
  const list = (name: string) => provider.held.filter((one) => one.name === name);
  const txt: Record<Model, DnsProvider["txt"]> = {
    record: {
      model: "record",
      list: async (_zone, name) => list(name).map(({ id, value }) => ({ id, value })),
      async create(_zone, { name, ttlS }, value) {
        let id = "";
        provider.ttls.push(ttlS);
        await change(`create ${name}`, () => {
          id = add(name, value);
        });
        return id;
      },
      remove: (_zone, { name }, { id }) => change(`remove ${name}`, () => drop((one) => one.id === id)),
    },
    blind: {
      model: "record",
      async create(_zone, { name }, value) {
        await change(`create ${name}`, () => {
          if (!list(name).some((one) => one.value === value)) add(name, value);
        });
        return null;
      },
      remove: (_zone, { name }, { value }) =>
        change(`remove ${name}`, () => drop((one) => one.name === name && one.value === value)),
    },
    rrset: {
      model: "rrset",
      read: async (_zone, name) => ({ values: list(name).map(({ value }) => value), ttlS: null }),
      async replace(_zone, { name }, { before, values }) {
        await change(`replace ${name}`, () => {
          const now = list(name).map(({ value }) => value);
          if (now.join() !== before.values.join()) throw new RenewalError("dns.refused", "it changed meanwhile");
          drop((one) => one.name === name);
          for (const value of values) add(name, value);
        });
        return `change-${++ids}`;
      },
    },
    wholeZone: {
      model: "wholeZone",
      readZone: async () =>
        provider.held.map(({ name, value, id }) => ({ name, type: "TXT", value, ttlS: 60, rest: id })),
      async writeZone(_zone, rows) {
        await change("write", () => {
          provider.held.splice(0);
          for (const { name, value } of rows) add(name, value);
        });
        return null;
      },
    },
  };
  const provider: MemoryProvider = {
    zones: [...zones],
    held: [],
    ttls: [],
    calls: [],
    beforeChange: () => undefined,
    afterChange: () => undefined,
    status: null,
    listsByName: false,
    values: (name) => list(name).map(({ value }) => value),
    kind: {
      type: `memory-${model}`,
      description: "Holds TXT records in memory.",
      docs: "https://example.org",
      options: z.strictObject({}) as DnsProviderKind<object>["options"],
      traits,
      create: (_options, { turn }) => ({
        ...(!provider.listsByName && { listsAllZones: true }),
        async zones(name, signal) {
          await turn(signal);
          provider.calls.push("zones");
          return provider.zones.filter((zone) => !provider.listsByName || name.endsWith(zone.name));
        },
        txt: txt[model],
        ...(provider.status !== null && { status: provider.status }),
      }),
    },
  };
  return provider;
}
