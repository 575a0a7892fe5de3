import { z } from "zod";
import { weekReport } from "../../../reports/week.ts";
import { operation } from "../operation.ts";

export const weekOperations = [
  operation({
    id: "getWeekDocument",
    method: "get",
    path: "/documents/week",
    tag: "Documents",
    summary: "The last seven days, and what is open and ends next: `renewd report --week --json`.",
    query: z.strictObject({}),
    answer: { document: "WeekReport" },
    run({ web }) {
      const now = web.renewal.clock.now();
      return weekReport(web.renewal.store, web.estate().certificates, now, now);
    },
  }),
];
