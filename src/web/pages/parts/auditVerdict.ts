import { html } from "hono/html";
import type { HistoryEvent } from "../../../domain/event.ts";
import { eventSentence } from "../../../reports/eventSentence.ts";
import { foreign, type Html } from "./markup.ts";
import { tag } from "./state.ts";
import { relative } from "./time.ts";

/** `last`: the last `history.audited`. What was proved a week ago is said with its time. */
export function auditVerdict(last: HistoryEvent | null, now: number): Html {
  if (last === null) return html`<p class="quiet">The history was never audited.</p>`;
  const isWhole = last.detail.whole === true;
  return html`<p>${isWhole ? tag("whole", "busy") : tag("not whole", "bad")}
    <span${
      isWhole ? "" : html` class="bad-text"`
    }>${relative(last.at, now)}: ${foreign(eventSentence(last))}.</span></p>`;
}
