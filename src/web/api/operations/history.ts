import { z } from "zod";
import { EVENT_TYPES } from "../../../domain/event.ts";
import { eventPage, readHistoryQuery, renewalPage } from "../../../reports/lists/historyList.ts";
import type { WebContext } from "../../context.ts";
import { HttpProblem } from "../../problem.ts";
import { eventStream } from "../eventStream.ts";
import { toEvent, toRenewal } from "../items.ts";
import { operation } from "../operation.ts";
import { eventItem, renewalItem } from "../schemas.ts";
import { historyQuery, pageAnswer, pageSchema } from "./lists.ts";
import { renewalParams } from "./subjects.ts";

/** Events of one renewal: more than any renewal of a year writes. */
const EVENTS_MAX = 5_000;

export async function renewalOf(web: WebContext, id: string): Promise<z.output<typeof renewalItem>> {
  const { store } = web.renewal;
  const renewal = await store.renewals.get(id);
  if (renewal === null) throw new HttpProblem(404, `there is no renewal "${id}"`);
  return toRenewal({ ...renewal, serial: (await store.search.serials([renewal])).get(id) ?? null });
}

export const historyOperations = [
  operation({
    id: "listRenewals",
    method: "get",
    path: "/renewals",
    tag: "See",
    summary: "Renewals, newest first; the history is searched in the database.",
    query: historyQuery,
    answer: pageSchema(renewalItem),
    run: async ({ web, search }) =>
      pageAnswer(await renewalPage(web.renewal.store, readHistoryQuery(search, web.renewal.clock.now())), toRenewal),
  }),
  operation({
    id: "getRenewal",
    method: "get",
    path: "/renewals/{renewal}",
    tag: "See",
    summary: "One renewal.",
    params: renewalParams,
    answer: renewalItem,
    run: ({ web, params }) => renewalOf(web, params.renewal),
  }),
  operation({
    id: "listRenewalEvents",
    method: "get",
    path: "/renewals/{renewal}/events",
    tag: "See",
    summary: "Everything that happened to a renewal, oldest first.",
    params: renewalParams,
    query: z.strictObject({
      afterSeq: z.int().min(0).optional().describe("Only events after this number."),
    }),
    answer: z.object({ items: z.array(eventItem) }),
    async run({ web, params: { renewal: renewalId }, query: { afterSeq = 0 } }) {
      await renewalOf(web, renewalId);
      const events = await web.renewal.store.events.list({ renewalId, afterSeq, limit: EVENTS_MAX });
      return { items: events.map(toEvent) };
    },
  }),
  operation({
    id: "listEvents",
    method: "get",
    path: "/events",
    tag: "See",
    summary: "The history, newest first.",
    query: historyQuery,
    answer: pageSchema(eventItem),
    run: async ({ web, search }) =>
      pageAnswer(await eventPage(web.renewal.store, readHistoryQuery(search, web.renewal.clock.now())), toEvent),
  }),
  operation({
    id: "streamEvents",
    method: "get",
    path: "/events/stream",
    tag: "Stream",
    summary: "The history as it is written.",
    description:
      "Begins now, after `Last-Event-ID`, or after `afterSeq`. A comment comes every 15 s, so that a broken connection " +
      "shows.",
    query: z.strictObject({
      afterSeq: z.int().min(0).optional().describe("Only events after this number; `Last-Event-ID` goes first."),
      certificate: z.string().max(100).optional().describe("Only of this certificate."),
      renewal: z.string().max(100).optional().describe("Only of this renewal."),
      type: z.array(z.enum(EVENT_TYPES)).max(EVENT_TYPES.length).optional().describe("Only of these types."),
    }),
    answer: "stream",
    run: async ({ web, query, headers, signal }) => eventStream(web, query, headers.get("last-event-id"), signal),
  }),
];
