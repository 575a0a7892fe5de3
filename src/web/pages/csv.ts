import { Hono, type Context as Request } from "hono";
import { listInventory } from "../../actions/inventory.ts";
import type { HistoryEvent } from "../../domain/event.ts";
import type { HistoryFilter, HistoryPosition } from "../../domain/historySearch.ts";
import type { Renewal } from "../../domain/renewal.ts";
import { eventSentence } from "../../reports/eventSentence.ts";
import { iso } from "../../reports/instant.ts";
import { alertList } from "../../reports/lists/alertList.ts";
import { certificateList } from "../../reports/lists/certificateList.ts";
import { csvHead, csvLines } from "../../reports/lists/csv.ts";
import { deploymentList } from "../../reports/lists/deploymentList.ts";
import { endpointList } from "../../reports/lists/endpointList.ts";
import { EXPORT_ROWS_MAX, RENEWAL_COLUMNS, readHistoryQuery } from "../../reports/lists/historyList.ts";
import { inventoryList } from "../../reports/lists/inventoryList.ts";
import { allOf, type List, readQuery } from "../../reports/lists/list.ts";
import type { Snapshot } from "../../reports/snapshot.ts";
import type { WebContext, WebEnv, WebRoutes } from "../context.ts";
import { fleetOf } from "../fleet.ts";
import { textStream } from "../textStream.ts";

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
      return send(request, name, [csvHead(list.columns), csvLines(list.columns, allOf(list, rowsOf(snapshot), query))]);
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
  routes.get("/inventory.csv", async (request) => {
    const { certificates } = await listInventory(web, { source: null, expiringMs: null, unmanaged: false });
    const query = readQuery(inventoryList, new URL(request.req.url).searchParams);
    const { columns } = inventoryList;
    return send(request, "inventory", [csvHead(columns), csvLines(columns, allOf(inventoryList, certificates, query))]);
  });
  routes.get("/history.csv", async (request) => {
    const { search } = web.renewal.store;
    const { filter, view } = readHistoryQuery(new URL(request.req.url).searchParams, web.renewal.clock.now());
    return view === "events"
      ? send(request, "history", [csvHead(EVENT_COLUMNS), eventLines(search, filter)])
      : send(request, "history", [csvHead(RENEWAL_COLUMNS), renewalLines(search, filter)]);
  });
  return routes;
}

type Search = WebContext["renewal"]["store"]["search"];

/** Read page by page as the file is taken. */
const PAGE = 500;

async function* eventLines(search: Search, filter: HistoryFilter): AsyncGenerator<string> {
  let beforeSeq: number | null = null;
  for (let left = EXPORT_ROWS_MAX; left > 0; left -= PAGE) {
    const events: readonly HistoryEvent[] = await search.events(filter, { limit: Math.min(PAGE, left), beforeSeq });
    yield* csvLines(EVENT_COLUMNS, events);
    beforeSeq = events.at(-1)?.seq ?? null;
    if (events.length < PAGE) return;
  }
}

async function* renewalLines(search: Search, filter: HistoryFilter): AsyncGenerator<string> {
  let after: HistoryPosition | null = null;
  for (let left = EXPORT_ROWS_MAX; left > 0; left -= PAGE) {
    const renewals: readonly Renewal[] = await search.renewals(filter, { limit: Math.min(PAGE, left), after });
    const serials = await search.serials(renewals);
    const rows = renewals.map((each) => ({ ...each, serial: serials.get(each.id) ?? null }));
    yield* csvLines(RENEWAL_COLUMNS, rows);
    const last = renewals.at(-1);
    if (last === undefined || renewals.length < PAGE) return;
    after = { at: last.createdAt, id: last.id };
  }
}

const EVENT_COLUMNS = [
  { key: "number", title: "Number", value: ({ seq }: HistoryEvent) => seq },
  { key: "at", title: "At", value: ({ at }: HistoryEvent) => iso(at) },
  { key: "type", title: "Type", value: ({ type }: HistoryEvent) => type },
  { key: "certificate", title: "Certificate", value: ({ certificate }: HistoryEvent) => certificate },
  { key: "renewal", title: "Renewal", value: ({ renewalId }: HistoryEvent) => renewalId },
  { key: "target", title: "Target", value: ({ target }: HistoryEvent) => target },
  { key: "process", title: "Process", value: ({ worker }: HistoryEvent) => worker },
  { key: "what", title: "What", value: (event: HistoryEvent) => eventSentence(event) },
];

type Parts = readonly (Iterable<string> | AsyncIterable<string>)[];

async function send(request: Request<WebEnv>, name: string, parts: Parts): Promise<Response> {
  return request.body(await textStream(joined(parts)), 200, {
    "content-type": "text/csv; charset=utf-8; header=present",
    "content-disposition": `attachment; filename="renewd-${name}.csv"`,
  });
}

async function* joined(parts: Parts): AsyncGenerator<string> {
  for (const part of parts) yield* part;
}
