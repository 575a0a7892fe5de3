import { z } from "zod";
import { pastOption } from "../../../domain/writtenTime.ts";
import { certificatesReport } from "../../../reports/certificates.ts";
import { answeredForBy, loadedFleet, type ResponsibilityWish } from "../../../reports/configured.ts";
import { historyReport } from "../../../reports/history.ts";
import { planReport } from "../../../reports/plan.ts";
import { showReport } from "../../../reports/renewal.ts";
import { replacementNamed, replacementReport } from "../../../reports/replacements.ts";
import type { WebContext } from "../../context.ts";
import { inTurn } from "../inTurn.ts";
import { operation } from "../operation.ts";
import { assertCertificate, assertConfigured, orNotFound } from "./subjects.ts";

const HISTORY_MAX = 1_000;
const LIST_MAX = 10_000;

const certificate = z.string().min(1).max(100).optional().describe("Only this one. Default: all.");

const page = {
  certificate,
  after: z.string().min(1).max(100).optional().describe("Those whose names come after it: `next` of the page before."),
  limit: z.int().min(1).max(LIST_MAX).optional().describe("Default: all."),
  owner: z.string().min(1).max(200).optional(),
  team: z.string().min(1).max(200).optional(),
  label: z.string().min(1).max(300).optional().describe("`key=value`"),
};
interface Page extends ResponsibilityWish {
  readonly certificate?: string | undefined;
  readonly after?: string | undefined;
  readonly limit?: number | undefined;
}

async function chosen(web: WebContext, { certificate: name, after, limit, ...wish }: Page) {
  const { certificates } = web.estate();
  const fleet = loadedFleet(certificates);
  if (name === undefined) {
    const fits = answeredForBy(wish);
    const found = await fleet.page({ after: after ?? null, limit: limit ?? certificates.length, fits });
    return { ...found, unmanagedIn: fits === undefined ? fleet : undefined };
  }
  assertConfigured(web, name);
  return { certificates: await fleet.named([name]), next: null, unmanagedIn: undefined };
}

/** What `renewd --server` prints. Without `limit` they are whole: for machines with ten thousand certificates take the lists. */
export const documentOperations = [
  operation({
    id: "getCertificatesDocument",
    method: "get",
    path: "/documents/certificates",
    tag: "Documents",
    summary: "`renewd certificates --json`.",
    query: z.strictObject(page),
    answer: { document: "CertificatesReport" },
    async run({ web, query }) {
      const { store, clock } = web.renewal;
      const { certificates, ...wish } = await chosen(web, query);
      return certificatesReport(store, certificates, clock.now(), web.estate().observeMs, wish);
    },
  }),
  operation({
    id: "getPlan",
    method: "get",
    path: "/plan",
    tag: "See",
    summary: "Why each certificate is due, or why not, and what holds it back: `renewd plan --json`.",
    query: z.strictObject(page),
    answer: { document: "PlanReport" },
    async run({ web, query }) {
      const { store, clock } = web.renewal;
      const { budget, limits, reloads } = web.estate();
      const { certificates, next } = await chosen(web, query);
      return inTurn(web, () => planReport(store, certificates, clock.now(), budget, limits, reloads, next));
    },
  }),
  operation({
    id: "getHistoryDocument",
    method: "get",
    path: "/documents/history",
    tag: "Documents",
    summary: "`renewd history --json`.",
    query: z.strictObject({
      certificate,
      since: z.string().max(40).optional().describe("`7d`, or an instant."),
      failed: z.boolean().optional().describe("Only renewals that did not succeed."),
      limit: z.int().min(1).max(HISTORY_MAX).optional(),
    }),
    answer: { document: "HistoryReport" },
    async run({ web, query: { certificate: name = null, since, failed = false, limit = 20 } }) {
      const { store, clock } = web.renewal;
      const now = clock.now();
      if (name !== null) await assertCertificate(web, name);
      const from = since === undefined ? null : pastOption("--since", since, now);
      return historyReport(store, { certificate: name, since: from, failed, limit }, now);
    },
  }),
  operation({
    id: "getRenewalDocument",
    method: "get",
    path: "/documents/renewal",
    tag: "Documents",
    summary: "`renewd show --json`.",
    query: z.strictObject({
      of: z.string().min(1).max(100).describe("A renewal's id, or its beginning, or a certificate's name."),
    }),
    answer: { document: "ShowReport" },
    run({ web, query: { of } }) {
      const { store, clock } = web.renewal;
      return orNotFound(() => showReport(store, of, web.estate().certificates, clock.now()));
    },
  }),
  operation({
    id: "getReplacementsDocument",
    method: "get",
    path: "/documents/replacements",
    tag: "Documents",
    summary: "`renewd replace status --json`.",
    query: z.strictObject({ id: z.string().min(1).max(100).optional().describe("One, or the beginning of its id.") }),
    answer: { document: "ReplacementReport" },
    run({ web, query: { id } }) {
      const { store, clock, services } = web.renewal;
      const { certificates } = web.estate();
      return inTurn(web, async () => {
        if (id !== undefined) await orNotFound(() => replacementNamed(store, id));
        return replacementReport({ store, config: { certificates }, services }, id, clock.now());
      });
    },
  }),
];
