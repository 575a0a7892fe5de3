import type { NameServerAnswer, NameServerCount, Transport } from "../../../domain/nameServerTotals.ts";

/** What a process has answered. It outlives a server that moves. */
export interface DnsCounters {
  count(transport: Transport, answer: NameServerAnswer | "connection"): void;
  /** Since the last time. */
  take(): NameServerCount[];
  /** What was taken could not be written down. */
  putBack(counts: readonly NameServerCount[]): void;
}

export function newCounters(): DnsCounters {
  let counts = new Map<string, NameServerCount>();
  const add = ({ transport, answer, count }: NameServerCount): void => {
    const key = `${transport} ${answer}`;
    counts.set(key, { transport, answer, count: (counts.get(key)?.count ?? 0) + count });
  };
  return {
    count: (transport, answer) => add({ transport, answer, count: 1 }),
    take() {
      const taken = [...counts.values()];
      counts = new Map();
      return taken;
    },
    putBack: (taken) => taken.forEach(add),
  };
}
