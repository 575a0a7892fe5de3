import { z } from "zod";
import { horizonReport } from "../../../reports/horizon.ts";
import { operation } from "../operation.ts";

const WITHIN_MAX_MS = 3_153_600_000_000;

export const horizonOperations = [
  operation({
    id: "getHorizonDocument",
    method: "get",
    path: "/documents/horizon",
    tag: "Documents",
    summary: "What else ends and breaks renewals then: `renewd horizon --json`.",
    query: z.strictObject({
      withinMs: z.int().min(0).max(WITHIN_MAX_MS).optional().describe("Only what ends within this time. Default: all."),
    }),
    answer: { document: "HorizonReport" },
    run: ({ web, query: { withinMs = null } }) => horizonReport(web.renewal.store, withinMs, web.renewal.clock.now()),
  }),
];
