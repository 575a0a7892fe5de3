// The store does not answer while the lease runs out: a blocked fsync, a paused machine, a starved CPU.
import { setImmediate } from "node:timers/promises";
import { afterAll, beforeAll, expect, it, onTestFinished } from "vitest";
import type { Store } from "../../src/domain/store.ts";
import { issue } from "../../src/renewal/steps/issue.ts";
import { startIssuing } from "../support/ca/issuing.ts";
import { certificate } from "../support/model/facts.ts";
import { type CaFixture, request, running, startCa } from "./caFixture.ts";

let ca: CaFixture;
beforeAll(async () => {
  ca = await startCa();
});
afterAll(() => ca[Symbol.asyncDispose]());

interface Block {
  /** Resolves when the write has begun. */
  readonly begun: Promise<void>;
  /** Lets it go on. */
  end(): void;
}

/** Holds the transaction that writes the first `challenge.presented`, and with it the whole database. */
function blocking(store: Store): { readonly store: Store; readonly block: Block } {
  const [begun, ended] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const transaction: Store["transaction"] = (work) =>
    store.transaction((tx) => {
      const append: Store["events"]["append"] = async (event) => {
        if (event.type === "challenge.presented") {
          begun.resolve();
          await ended.promise;
        }
        return tx.events.append(event);
      };
      return work({ ...tx, events: { ...tx.events, append } });
    });
  return { store: { ...store, transaction }, block: { begun: begun.promise, end: ended.resolve } };
}

it("a lease that runs out while `challenge.presented` is written ends the attempt alone; the worker goes on", async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on("unhandledRejection", note);
  onTestFinished(() => void process.off("unhandledRejection", note));

  const { identifiers } = request();
  const wanted = certificate({ name: "www", identifiers, issuer: "pebble", targets: [], endpoints: [] });
  await using issuing = await startIssuing(wanted, { pebble: ca.issuer() }, ca.solver);
  const { store, block } = blocking(issuing.store);
  const expired = Promise.withResolvers<void>();
  const context = {
    ...issuing.context,
    store,
    settings: { ...issuing.context.settings, leaseMs: 2_000 },
    leaseRenewed: (marginMs: number) => void (marginMs === 0 && expired.resolve()),
  };
  const { id } = (await issuing.store.renewals.active("www")) ?? expect.unreachable();
  const attempt = issue(context, id, running());
  await block.begun;
  await expired.promise;
  // A rejection that nobody awaits is reported before this.
  await setImmediate();
  block.end();
  await attempt;
  await setImmediate();
  expect(unhandled).toEqual([]);
  expect(await issuing.store.renewals.get(id)).toMatchObject({ state: "issuing", attempts: 0, errorCode: null });
  expect(
    (await issuing.events("order.created", "challenge.presented", "issue.failed")).map(({ type }) => type),
  ).toEqual(["order.created", "challenge.presented"]);

  issuing.time.now += 60_000;
  await issue({ ...issuing.context, store: issuing.store }, id, running());
  expect(await issuing.store.renewals.get(id)).toMatchObject({ state: "succeeded" });
  expect((await issuing.events("order.created", "order.resumed")).map(({ type }) => type)).toEqual([
    "order.created",
    "order.resumed",
  ]);
  expect(unhandled).toEqual([]);
});
