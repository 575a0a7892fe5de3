// A process that was not reloaded yet has another configuration than the database.
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Job } from "../../../src/domain/queue.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { configure } from "../../../src/renewal/plan/configure.ts";
import { planDue } from "../../../src/renewal/plan/plan.ts";
import { reconcile } from "../../../src/renewal/steps/reconcile.ts";
import { sweep } from "../../../src/renewal/steps/sweep.ts";
import { configured, createFleet, type Fleet } from "../../support/model/fleet.ts";

const NO_SIGNAL = new AbortController().signal;
const WWW = configured("new");

let fleet: Fleet;
let reloaded: Context;
beforeEach(async () => {
  fleet = await createFleet();
  reloaded = fleet.process(WWW);
  await configure(reloaded, NO_SIGNAL);
  await planDue(reloaded, NO_SIGNAL);
});
afterEach(() => fleet[Symbol.asyncDispose]());

async function active() {
  return (await fleet.store.renewals.active("www")) ?? expect.unreachable("the renewal has ended");
}

describe.each([
  ["does not know the certificate yet", []],
  ["knows what it was before", [configured("old")]],
])("a worker that %s", (_what, known) => {
  it.each<Job["kind"]>(["issue", "deploy", "verify"])(
    "leaves to others what there is to %s, with its claim given back",
    async (kind) => {
      await fleet.work(reloaded, kind);
      const before = await active();
      const deployed = [...fleet.deployed];
      await fleet.work(fleet.process(...known));
      expect(await active()).toMatchObject({ state: before.state, digest: "new", leaseUntil: null, openClaims: 0 });
      expect(fleet.deployed).toEqual(deployed);
      for (const row of await fleet.store.deployments.list("www"))
        expect(row).toMatchObject({ leaseUntil: null, openClaims: 0 });
      expect(fleet.warnings).toContain(
        "certificate's configuration here differs from the database: reload this process",
      );

      fleet.now = (await active()).nextActionAt ?? expect.unreachable("nobody looks at it again");
      await sweep(reloaded, NO_SIGNAL);
      await fleet.work(reloaded);
      expect(await fleet.store.renewals.get(before.id)).toMatchObject({ state: "succeeded", generation: 1 });
    },
  );

  it("leaves what is due to others for a minute, and what is due sooner as it is", async () => {
    const { id } = await active();
    const outdated = fleet.process(...known);
    await reconcile(outdated, id);
    expect(await active()).toMatchObject({ state: "planned", nextActionAt: fleet.now + 5_000 });
    fleet.now += 5_000;
    await sweep(outdated, NO_SIGNAL);
    expect(await active()).toMatchObject({ state: "planned", nextActionAt: fleet.now + 60_000 });
  });
});

it("a removed certificate is cancelled by a reloaded process, and not continued by one that still has it", async () => {
  const { id } = await active();
  await fleet.store.certificates.sync([], fleet.now);
  await fleet.work(reloaded);
  expect(await active()).toMatchObject({ id, state: "planned", openClaims: 0 });
  await reconcile(fleet.process(), id);
  expect(await fleet.store.renewals.get(id)).toMatchObject({ state: "cancelled" });
  expect(await fleet.store.certificates.get("www")).toMatchObject({ nextCheckAt: null });
});
