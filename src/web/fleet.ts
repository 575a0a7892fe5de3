import { FleetView } from "../reports/fleetView.ts";
import type { WebContext } from "./context.ts";

const views = new WeakMap<WebContext, FleetView>();

/** The one reading of the fleet that pages, API and metrics share. */
export function fleetOf(web: WebContext): FleetView {
  const known = views.get(web);
  if (known !== undefined) return known;
  const { store, clock } = web.renewal;
  const view = new FleetView({
    store,
    certificates: () => web.estate().certificates,
    options() {
      const { budget, observeMs, agentTargets } = web.estate();
      const { responsibility: responsibilityOf } = web.renewal.services;
      return { budgetOf: budget, observeMs, agentTargets, responsibilityOf };
    },
    now: () => clock.now(),
    heard: () => web.events.heard(),
    async release() {
      const { file, sourceDigest } = web.config();
      const applied = await store.applied.read();
      const isOfNow = applied?.file === file && applied.sourceDigest === sourceDigest;
      return isOfNow && applied.release === web.version ? applied.release : null;
    },
  });
  views.set(web, view);
  return view;
}
