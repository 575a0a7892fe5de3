import { z } from "zod";
import { pastOption } from "../../../domain/writtenTime.ts";
import { certificatesReport } from "../../../reports/certificates.ts";
import { historyReport } from "../../../reports/history.ts";
import { planReport } from "../../../reports/plan.ts";
import { showReport } from "../../../reports/renewal.ts";
import { replacementNamed, replacementReport } from "../../../reports/replacements.ts";
import type { WebContext } from "../../context.ts";
import { inTurn } from "../inTurn.ts";
import { operation } from "../operation.ts";
import { assertCertificate, assertConfigured, orNotFound } from "./subjects.ts";

const HISTORY_MAX = 1_000;

const certificate = z.string().min(1).max(100).optional().describe("Only this one. Default: all.");

function chosen(web: WebContext, name: string | undefined) {
  const { certificates } = web.estate();
  if (name === undefined) return certificates;
  assertConfigured(web, name);
  return certificates.filter((each) => each.name === name);
}

/** What `renewd --server` prints. They are whole: for machines with ten thousand certificates take the lists. */
export const documentOperations = [
  operation({
    id: "getCertificatesDocument",
    method: "get",
    path: "/documents/certificates",
    tag: "Documents",
    summary: "`renewd certificates --json`.",
    query: z.strictObject({ certificate }),
    answer: { document: "CertificatesReport" },
    run({ web, query }) {
      const { store, clock } = web.renewal;
      return certificatesReport(store, chosen(web, query.certificate), clock.now(), web.estate().observeMs, {
        isWhole: query.certificate === undefined,
      });
    },
  }),
  operation({
    id: "getPlan",
    method: "get",
    path: "/plan",
    tag: "See",
    summary: "Why each certificate is due, or why not, and what holds it back: `renewd plan --json`.",
    query: z.strictObject({ certificate }),
    answer: { document: "PlanReport" },
    run({ web, query }) {
      const { store, clock } = web.renewal;
      const { budget, limits, reloads } = web.estate();
      const certificates = chosen(web, query.certificate);
      return inTurn(web, () => planReport(store, certificates, clock.now(), budget, limits, reloads));
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
