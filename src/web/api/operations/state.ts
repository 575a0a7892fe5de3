import { z } from "zod";
import { left } from "../../../renewal/rules/budget.ts";
import { iso } from "../../../reports/instant.ts";
import { alertList } from "../../../reports/lists/alertList.ts";
import { pageOf, readQuery } from "../../../reports/lists/list.ts";
import type { ReplacementEntry } from "../../../reports/replacements.ts";
import type { WebContext } from "../../context.ts";
import { fleetOf } from "../../fleet.ts";
import { HttpProblem } from "../../problem.ts";
import { issuerList, replacementList } from "../itemLists.ts";
import { operation } from "../operation.ts";
import { alertItem, issuerItem } from "../schemas.ts";
import { itemPage, listQuery, pageAnswer, pageSchema } from "./lists.ts";
import { replacementParams } from "./subjects.ts";

/** Of one limit: the fullest first. */
const USED_SHOWN_MAX = 100;

export async function replacementOf(web: WebContext, replacement: string): Promise<ReplacementEntry> {
  const found = (await fleetOf(web).read()).replacements.find(({ id }) => id === replacement);
  if (found === undefined) throw new HttpProblem(404, `there is no replacement "${replacement}"`);
  return found;
}

export const stateOperations = [
  operation({
    id: "getStatus",
    method: "get",
    path: "/status",
    tag: "See",
    summary: "What needs a person, and what is going on: `renewd status --json`.",
    answer: { document: "StatusReport" },
    run: async ({ web }) => (await fleetOf(web).readSoon()).status,
  }),
  operation({
    id: "listAlerts",
    method: "get",
    path: "/alerts",
    tag: "See",
    summary: "What is wrong now, open and acknowledged, worst first.",
    query: listQuery(alertList),
    answer: pageSchema(alertItem),
    run: async ({ web, search }) =>
      pageAnswer(pageOf(alertList, (await fleetOf(web).readSoon()).alerts, readQuery(alertList, search)), (row) => row),
  }),
  operation({
    id: "listReplacements",
    method: "get",
    path: "/replacements",
    tag: "See",
    summary: "Replacements and how far each has come, newest first.",
    query: listQuery(replacementList),
    answer: pageSchema(z.looseObject({ id: z.string() })),
    run: async ({ web, search }) => itemPage(replacementList, (await fleetOf(web).read()).replacements, search),
  }),
  operation({
    id: "getReplacement",
    method: "get",
    path: "/replacements/{replacement}",
    tag: "See",
    summary: "One replacement.",
    params: replacementParams,
    answer: { document: "ReplacementEntry" },
    run: ({ web, params: { replacement } }) => replacementOf(web, replacement),
  }),
  operation({
    id: "listIssuers",
    method: "get",
    path: "/issuers",
    tag: "See",
    summary: "Issuers of the configuration, and how much of each CA's limits is used.",
    query: listQuery(issuerList),
    answer: pageSchema(issuerItem),
    async run({ web, search }) {
      const { store, clock } = web.renewal;
      const now = clock.now();
      const buckets = await store.ledger.list(now);
      const { certificates } = await fleetOf(web).read();
      const items = [...web.config().issuers.values()].map(({ name, directory, distrusted, budget }) => ({
        issuer: name,
        directory,
        distrusted,
        certificates: certificates.filter(({ issuer }) => issuer === name).length,
        limits: Object.entries(budget.limits).map(([kind, limit]) => ({
          kind,
          max: limit.max,
          windowMs: limit.windowMs,
          used: buckets
            .filter((bucket) => bucket.kind === kind && [directory, `${name} ${directory}`].includes(bucket.scope))
            .sort((a, b) => b.fullAt - a.fullAt)
            .slice(0, USED_SHOWN_MAX)
            .map((bucket) => ({
              key: bucket.key,
              left: left({ scope: bucket.scope, kind: bucket.kind, key: bucket.key, limit, spends: true }, bucket, now),
              fullAt: iso(bucket.fullAt),
            })),
        })),
      }));
      return itemPage(issuerList, items, search);
    },
  }),
];
