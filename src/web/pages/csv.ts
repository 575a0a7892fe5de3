import { Hono, type Context as Request } from "hono";
import { freezesOf, icalendar } from "../../reports/calendar.ts";
import { eventSentence } from "../../reports/eventSentence.ts";
import { iso } from "../../reports/instant.ts";
import { alertList } from "../../reports/lists/alertList.ts";
import { certificateList } from "../../reports/lists/certificateList.ts";
import { csvOf } from "../../reports/lists/csv.ts";
import { deploymentList } from "../../reports/lists/deploymentList.ts";
import { endpointList } from "../../reports/lists/endpointList.ts";
import { EXPORT_ROWS_MAX, RENEWAL_COLUMNS, readHistoryQuery } from "../../reports/lists/historyList.ts";
import { allOf, type List, readQuery } from "../../reports/lists/list.ts";
import type { Snapshot } from "../../reports/snapshot.ts";
import type { WebContext, WebEnv, WebRoutes } from "../context.ts";
import { fleetOf } from "../fleet.ts";

/** The rows that a page shows, all of them, as a file: the same list, the same query. */
export function csvRoutes(web: WebContext): WebRoutes {
  const routes = new Hono<WebEnv>();
  const file = <Row>(
    name: string,
    listAt: (now: number) => List<Row>,
    rowsOf: (snapshot: Snapshot) => readonly Row[],
  ): void => {
    routes.get(`/${name}.csv`, async (request) => {
      const snapshot = await fleetOf(web).read();
      const list = listAt(snapshot.at);
      const query = readQuery(list, new URL(request.req.url).searchParams);
      return send(request, name, csvOf(list.columns, allOf(list, rowsOf(snapshot), query)));
    });
  };
  file("certificates", certificateList, ({ certificates }) => certificates);
  file(
    "endpoints",
    () => endpointList,
    ({ endpoints }) => endpoints,
  );
  file(
    "targets",
    () => deploymentList,
    ({ deployments }) => deployments,
  );
  file(
    "alerts",
    () => alertList,
    ({ alerts }) => alerts,
  );
  routes.get("/calendar.ics", async (request) => {
    const { certificates, at } = await fleetOf(web).read();
    const text = icalendar(certificates, freezesOf(web.estate().certificates, at), at);
    return request.body(text, 200, {
      "content-type": "text/calendar; charset=utf-8",
      "content-disposition": 'attachment; filename="renewd.ics"',
    });
  });
  routes.get("/history.csv", async (request) => {
    const { search } = web.renewal.store;
    const { filter, view } = readHistoryQuery(new URL(request.req.url).searchParams, web.renewal.clock.now());
    if (view === "events") {
      const events = await search.events(filter, { limit: EXPORT_ROWS_MAX, beforeSeq: null });
      return send(request, "history", csvOf(EVENT_COLUMNS, events));
    }
    const renewals = await search.renewals(filter, { limit: EXPORT_ROWS_MAX, after: null });
    const serials = await search.serials(renewals);
    return send(
      request,
      "history",
      csvOf(
        RENEWAL_COLUMNS,
        renewals.map((each) => ({ ...each, serial: serials.get(each.id) ?? null })),
      ),
    );
  });
  return routes;
}

type Event = Awaited<ReturnType<WebContext["renewal"]["store"]["search"]["events"]>>[number];

const EVENT_COLUMNS = [
  { key: "number", title: "Number", value: ({ seq }: Event) => seq },
  { key: "at", title: "At", value: ({ at }: Event) => iso(at) },
  { key: "type", title: "Type", value: ({ type }: Event) => type },
  { key: "certificate", title: "Certificate", value: ({ certificate }: Event) => certificate },
  { key: "renewal", title: "Renewal", value: ({ renewalId }: Event) => renewalId },
  { key: "target", title: "Target", value: ({ target }: Event) => target },
  { key: "process", title: "Process", value: ({ worker }: Event) => worker },
  { key: "what", title: "What", value: (event: Event) => eventSentence(event) },
];

function send(request: Request<WebEnv>, name: string, text: string): Response {
  return request.body(text, 200, {
    "content-type": "text/csv; charset=utf-8; header=present",
    "content-disposition": `attachment; filename="renewd-${name}.csv"`,
  });
}
