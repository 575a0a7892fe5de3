import { RenewalError } from "../../../src/domain/errors.ts";
import type { Store } from "../../../src/domain/store.ts";

/** A store whose database can go away and come back. */
export interface OutageStore {
  readonly store: Store;
  /** How many calls still get an answer; null: all. */
  left: number | null;
}

export function withOutages(store: Store): OutageStore {
  const call = async <T>(work: () => Promise<T>): Promise<T> => {
    if (outage.left !== null && outage.left-- <= 0) throw new RenewalError("store.unavailable", "the database is away");
    return work();
  };
  const wrap = (inner: Store): Store =>
    new Proxy(inner, {
      get(target, key) {
        if (key === "transaction")
          return (work: (tx: Store) => Promise<unknown>) => call(() => target.transaction((tx) => work(wrap(tx))));
        // Boundary: ports are objects of async functions, wrapped one by one.
        const port = Reflect.get(target, key) as object;
        if (typeof port !== "object") return port;
        return new Proxy(port, {
          get(functions, method) {
            const each: unknown = Reflect.get(functions, method);
            if (typeof each !== "function") return each;
            return (...args: unknown[]) => call(async () => each.apply(functions, args) as unknown);
          },
        });
      },
    });
  const outage: OutageStore = { store: wrap(store), left: null };
  return outage;
}
