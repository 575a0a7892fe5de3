import { html } from "hono/html";
import type { HistoryEvent } from "../../domain/event.ts";
import type { PageFacts } from "./facts.ts";
import { foreign, type Html, NOTHING } from "./parts/markup.ts";
import { tag } from "./parts/state.ts";
import { relative } from "./parts/time.ts";

const CHECKS_MAX = 1_000;

/** By target, the last one. */
export async function lastChecks({ web }: PageFacts): Promise<ReadonlyMap<string, HistoryEvent>> {
  const events = await web.renewal.store.events.list({ types: ["target.checked"], limit: CHECKS_MAX });
  return new Map(events.flatMap((event) => (event.target === null ? [] : [[event.target, event] as const])));
}

export async function lastCheck({ web }: PageFacts, target: string): Promise<HistoryEvent | null> {
  const [check = null] = await web.renewal.store.search.events(
    { targets: [target], types: ["target.checked"] },
    { limit: 1, beforeSeq: null },
  );
  return check;
}

export function checkText(check: HistoryEvent | null | undefined, now: number): Html {
  if (check == null) return html`<span class="quiet">not checked yet</span>`;
  const verdict = check.detail.passed === true ? tag("ready", "busy") : tag("not ready", "bad");
  return html`${verdict} ${relative(check.at, now)}`;
}

/** Who deploys there, since when silent, and of which release. */
export function deployerText({ web, snapshot, now }: PageFacts, target: string): Html {
  const { processes } = snapshot.status;
  const isAgent = web.estate().agentTargets.includes(target);
  const able = processes.filter(
    ({ role, targets }) => role === "deployer" && (isAgent ? targets.includes(target) : targets.length === 0),
  );
  const running = able.filter((each) => each.running);
  const [one] = running.length > 0 ? running : able;
  const kind = isAgent ? "its agent" : "any deployer";
  if (one === undefined) return html`${tag("none runs", "bad")} <small>${kind} could</small>`;
  const seen = relative(Date.parse(one.lastReportAt), now);
  if (running.length === 0) return html`${tag("none runs", "bad")} <small>${kind} was seen ${seen}</small>`;
  const which = running.length > 1 ? `${running.length} deployers` : foreign(one.process);
  return html`${
    isAgent ? html`${tag("agent")} ` : NOTHING
  }${which} <small>seen ${seen} · ${foreign(one.version)}</small>`;
}
