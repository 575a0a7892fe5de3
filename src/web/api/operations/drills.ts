import { z } from "zod";
import { draftDrill } from "../../../actions/drill.ts";
import { drillsReport } from "../../../reports/drills.ts";
import { operation } from "../operation.ts";
import { drillBody } from "./bodies.ts";
import { orNotFound } from "./subjects.ts";

export const drillOperations = [
  operation({
    id: "startDrill",
    method: "post",
    path: "/drills",
    tag: "Act",
    summary: "Replace certificates as if they had been revoked or had expired, and measure how long each takes.",
    body: drillBody,
    answer: { document: "DrillStartReport" },
    prepare: ({ web, body, decision }) =>
      draftDrill(
        web,
        {
          ...{ certificates: body.certificates ?? [], labels: body.labels ?? [], scenario: body.scenario ?? "revoked" },
          ...{ issuer: body.issuer ?? null, waves: body.waves ?? [], deadline: body.deadline ?? "1h" },
          dryRun: body.dryRun ?? false,
        },
        decision,
      ),
  }),
  operation({
    id: "getDrillsDocument",
    method: "get",
    path: "/documents/drills",
    tag: "Documents",
    summary: "How long the replacements of each drill took: `renewd drill --list --json`.",
    query: z.strictObject({ id: z.string().min(1).max(100).optional().describe("One, or the beginning of its id.") }),
    answer: { document: "DrillsReport" },
    run: ({ web, query: { id = null } }) => {
      const { store, clock } = web.renewal;
      const report = () => drillsReport(store, id, clock.now());
      return id === null ? report() : orNotFound(report);
    },
  }),
];
