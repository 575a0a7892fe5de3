import type { ServedDiffReport, ServedReport } from "../../reports/served.ts";
import type { WatchedReport } from "../../reports/watched.ts";
import type { Connection } from "./connection.ts";
import type { Desk } from "./desk.ts";
import { document, search } from "./documents.ts";

/** What a renewd elsewhere has seen. */
export function watchedAt(server: Connection): Pick<Desk, "watched" | "served" | "servedDiff"> {
  return {
    watched: () => server.get("/documents/watched", document<WatchedReport>(1)),
    served: ({ address, at }) => server.get(`/documents/served${search({ address, at })}`, document<ServedReport>(1)),
    servedDiff: ({ one, other }) =>
      server.get(`/documents/diff${search({ one, other })}`, document<ServedDiffReport>(1)),
  };
}
