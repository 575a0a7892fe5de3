import { html } from "hono/html";
import { type PeerEntry, peersReport } from "../../reports/peers.ts";
import type { PageFacts } from "./facts.ts";
import { foreign, type Html, NOTHING } from "./parts/markup.ts";
import { tag } from "./parts/state.ts";
import { relative } from "./parts/time.ts";

const WORDS: Readonly<Record<PeerEntry["state"], string>> = {
  well: "well",
  late: "plans nothing",
  notReady: "not ready",
  unreachable: "no answer",
  unknown: "unknown",
};

/** Other renewds that this one watches: nothing where none is configured. */
export async function peersPanel({ web, now }: PageFacts): Promise<Html> {
  const { store, services } = web.renewal;
  const peers = await peersReport(store, services.peers?.() ?? [], now);
  if (peers.length === 0) return NOTHING;
  return html`<section class="panel"><h2>Other renewds</h2><ul class="rows">${peers.map(
    ({ peer, url, state, since, askedAt, sweptAt, problem }) => html`<li>
    ${tag(WORDS[state], state === "well" ? "good" : state === "unknown" ? "quiet" : "bad")} <b>${foreign(peer)}</b>
    <a href="${url}" rel="noreferrer">${foreign(url)}</a>
    <small>${askedAt === null ? "not asked yet" : html`asked ${relative(Date.parse(askedAt), now)}`}${
      since === null || state === "unknown" ? NOTHING : html`, the same since ${relative(Date.parse(since), now)}`
    }; its planner's last sweep ${sweptAt === null ? "is not known" : relative(Date.parse(sweptAt), now)}</small>
    ${problem === null ? NOTHING : html`<small class="bad-text">${foreign(problem)}</small>`}</li>`,
  )}</ul></section>`;
}
