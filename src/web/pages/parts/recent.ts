import { html } from "hono/html";
import type { HistoryEvent } from "../../../domain/event.ts";
import { eventSentence } from "../../../reports/eventSentence.ts";
import { foreign, type Html } from "./markup.ts";
import { relative } from "./time.ts";

/** The newest events of something, and the way to the others. */
export function recent(events: readonly HistoryEvent[], all: string, now: number): Html {
  return html`<section class="panel"><h2>What happened</h2>
    ${
      events.length === 0
        ? html`<p class="quiet">Nothing is in the history.</p>`
        : html`<ul class="rows">${events.map(
            (event) => html`<li>${relative(event.at, now)}
              <span class="quiet">${
                event.certificate === null ? "" : foreign(`${event.certificate}: `)
              }</span>${foreign(eventSentence(event))}</li>`,
          )}</ul>`
    }
    <p><a href="${all}">every event</a></p></section>`;
}
