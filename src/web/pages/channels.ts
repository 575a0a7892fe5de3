import { html } from "hono/html";
import type { AlertReceipt } from "../../domain/alert.ts";
import type { HistoryEvent } from "../../domain/event.ts";
import type { ChannelCursor, Concern } from "../../domain/notification.ts";
import { eventSentence } from "../../reports/eventSentence.ts";
import { HttpProblem } from "../problem.ts";
import { actionHref } from "./actionLinks.ts";
import type { PageFacts } from "./facts.ts";
import { heading, layout } from "./layout.ts";
import { foreign, formatNumber, type Html, NOTHING, pathOf, plural } from "./parts/markup.ts";
import { recent } from "./parts/recent.ts";
import { tag } from "./parts/state.ts";
import { relative } from "./parts/time.ts";

const EVENTS_SHOWN = 20;
const TESTS_MAX = 500;
const RECEIPTS_MAX = 500;

interface ChannelState {
  readonly cursor: ChannelCursor | undefined;
  readonly test: HistoryEvent | undefined;
  /** The last message that it was sent, or that was given up. */
  readonly receipt: AlertReceipt | undefined;
  /** Events that it has not been sent yet. */
  readonly behind: number;
}

async function readStates({ web }: PageFacts): Promise<(name: string) => ChannelState> {
  const { store } = web.renewal;
  const cursors = new Map((await store.cursors.list()).map((cursor) => [cursor.channel, cursor]));
  const tests = new Map(
    (await store.events.list({ types: ["channel.tested"], limit: TESTS_MAX })).map((event) => [
      String(event.detail.channel),
      event,
    ]),
  );
  const [newest] = await store.events.list({ limit: 1 });
  const receipts = new Map((await store.alerts.receipts({ limit: RECEIPTS_MAX })).map((each) => [each.channel, each]));
  return (name) => {
    const cursor = cursors.get(name);
    const receipt = receipts.get(name);
    return {
      cursor,
      receipt,
      test: tests.get(name),
      behind: cursor === undefined ? 0 : (newest?.seq ?? 0) - cursor.seq,
    };
  };
}

/** Whether each way to reach people works: a channel that fails in silence is how outages last hours. */
export async function channels(facts: PageFacts): Promise<Html> {
  const configured = facts.web.config().notifications;
  const stateOf = await readStates(facts);
  return html`<section class="panel"><h2>Channels</h2>
    ${
      configured.size === 0
        ? html`<p class="bad-text">No channel is configured: nobody is called. Add one below
          <code>notifications</code>.</p>`
        : html`<ul class="rows">${[...configured].map(
            ([name, { type, from }]) =>
              html`<li>${stateTag(stateOf(name))} <a href="${channelHref(name)}"><b>${foreign(name)}</b></a>
                <span class="quiet">${foreign(type)}, from ${from}</span><br />
                <small>${delivery(stateOf(name), facts.now)} · ${tested(stateOf(name), facts.now)}</small>
                ${failure(stateOf(name), facts.now)}
                <p class="buttons"><a class="button plain"
                  href="${actionHref("test-channel", { channel: name, back: facts.here })}">Send a test</a></p></li>`,
          )}</ul>`
    }
  </section>`;
}

/** One channel: what it is sent, whether that arrives, and its tests. */
export async function channelPage(facts: PageFacts, name: string): Promise<Html> {
  const { web, now, here } = facts;
  const configured = web.config().notifications.get(name);
  if (configured === undefined)
    throw new HttpProblem(404, `"${name.slice(0, 100)}" is no channel of the configuration`, {
      action: "See the alerts: the channels are behind the list.",
    });
  const state = (await readStates(facts))(name);
  const events = await web.renewal.store.search.events(
    { types: ["channel.tested"], words: [`"channel":"${name}"`] },
    { limit: EVENTS_SHOWN, beforeSeq: null },
  );
  return layout(facts, {
    title: `Channel ${name}`,
    body: html`${heading(
      `Channel ${name}`,
      html`${stateTag(state)} ${foreign(configured.type)}`,
      html`<a class="button" href="${actionHref("test-channel", { channel: name, back: here })}">Send a test</a>`,
    )}
      ${failure(state, now)}
      <section class="panel"><dl class="facts">
        <div><dt>Is sent</dt><dd>what is at least ${configured.from}${aboutText(configured.about)}</dd></div>
        <div><dt>Delivery</dt><dd>${delivery(state, now)}</dd></div>
        <div><dt>Self-test</dt><dd>${tested(state, now)}</dd></div>
      </dl></section>
      ${recent(events, "/history?view=events&q=type:channel.tested", now)}`,
  });
}

export function channelHref(name: string): string {
  return pathOf("alerts", "channels", name);
}

function aboutText(about: Concern | null): string {
  if (about === null) return ", of everybody";
  const { owners = [], teams = [], labels = [], criticality = [] } = about;
  return foreign(`, of ${[...owners, ...teams, ...labels, ...criticality].join(", ")}`);
}

function stateTag({ cursor, test, receipt }: ChannelState): Html {
  if (cursor !== undefined && cursor.failures > 0) return tag("fails", "bad");
  if (cursor !== undefined && cursor.lastErrorMessage !== null) return tag("refused a message", "bad");
  if (test?.detail.sent === false) return tag("failed its test", "bad");
  return receipt === undefined && test === undefined ? tag("never tried") : tag("reachable", "busy");
}

function delivery({ cursor, behind, receipt }: ChannelState, now: number): Html {
  const last =
    receipt === undefined
      ? html`nothing was sent yet`
      : html`last message ${receipt.outcome === "sent" ? "delivered" : "given up"} ${relative(receipt.at, now)}`;
  if (cursor === undefined || behind <= 0) return last;
  return html`${last}, ${formatNumber(behind)} ${plural(behind, "event")} to go`;
}

function tested({ test }: ChannelState, now: number): Html {
  if (test === undefined) return html`never tested`;
  return html`tested ${relative(test.at, now)}${
    test.detail.sent === true ? "" : html`: <span class="bad-text">failed</span>`
  }`;
}

function failure({ cursor, test }: ChannelState, now: number): Html {
  const { lastErrorMessage = null, nextAttemptAt = null } = cursor ?? {};
  const failedTest = test?.detail.sent === false ? foreign(eventSentence(test)) : null;
  if (lastErrorMessage === null && failedTest === null) return NOTHING;
  return html`<p class="bad-text">${lastErrorMessage === null ? failedTest : foreign(lastErrorMessage)}${
    nextAttemptAt === null ? NOTHING : html`, tries again ${relative(nextAttemptAt, now)}`
  }</p>`;
}
