import type { Store } from "../../../src/domain/store.ts";

/** A worker process that dies at its n-th call to the database or a peer and answers nothing ever after. */
export class Crash {
  static readonly MESSAGE = "this worker process was killed";
  #left: number;

  constructor(diesAfter: number | null) {
    this.#left = diesAfter ?? Number.POSITIVE_INFINITY;
  }

  get dead(): boolean {
    return this.#left < 0;
  }

  step(): void {
    this.#left -= 1;
    if (this.dead) throw new Error(Crash.MESSAGE);
  }
}

/**
 * The store as a mortal process sees it: a call after its death neither reads nor writes; a transaction open at its
 * death is rolled back.
 */
export function crashing(store: Store, crash: Crash): Store {
  return new Proxy(store, {
    get(target, key) {
      if (key === "transaction") {
        return async (work: (tx: Store) => Promise<unknown>) => {
          crash.step();
          return target.transaction((tx) => work(crashing(tx, crash)));
        };
      }
      // Boundary: ports are objects of async functions, wrapped one by one.
      const port = Reflect.get(target, key) as object;
      if (typeof port !== "object") return port;
      return new Proxy(port, {
        get(inner, method) {
          const call: unknown = Reflect.get(inner, method);
          if (typeof call !== "function") return call;
          return async (...args: unknown[]) => {
            crash.step();
            return call.apply(inner, args) as unknown;
          };
        },
      });
    },
  });
}
