import { z } from "zod";
import { watchedReport } from "../../../reports/watched.ts";
import { inTurn } from "../inTurn.ts";
import { operation } from "../operation.ts";
import { orNotFound } from "./subjects.ts";

const place = z.string().min(1).max(400);

/** Endpoints of others' certificates, and what every address served. */
export const watchedOperations = [
  operation({
    id: "getWatchedDocument",
    method: "get",
    path: "/documents/watched",
    tag: "Documents",
    summary: "`renewd watched --json`: endpoints whose certificates somebody else renews, worst first.",
    answer: { document: "WatchedReport" },
    run: ({ web }) => inTurn(web, () => watchedReport(web.renewal.store, web.renewal.clock.now())),
  }),
  operation({
    id: "getServedDocument",
    method: "get",
    path: "/documents/served",
    tag: "Documents",
    summary: "`renewd served --json`: what every address served, by change.",
    query: z.strictObject({
      address: place.describe("A host, address or server name, with or without its port."),
      at: z.string().max(40).optional().describe("What it served then: an instant, or `3d` for that long ago."),
    }),
    answer: { document: "ServedReport" },
    run: ({ web, query: { address, at = null } }) => orNotFound(() => web.inquiries.served({ address, at })),
  }),
  operation({
    id: "getServedDiffDocument",
    method: "get",
    path: "/documents/diff",
    tag: "Documents",
    summary: "`renewd diff --json`: what differs between two addresses, or two instants of one.",
    query: z.strictObject({
      one: place.describe("An address, and `@` with an instant: `www.example.org@2026-05-04T03:12Z`."),
      other: place.describe("The same."),
    }),
    answer: { document: "ServedDiffReport" },
    run: ({ web, query }) => orNotFound(() => web.inquiries.servedDiff(query)),
  }),
];
