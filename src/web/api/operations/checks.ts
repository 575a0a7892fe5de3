import { z } from "zod";
import { beginCheck, checkTarget } from "../../../actions/checks.ts";
import { operation } from "../operation.ts";
import { reasonBody } from "./bodies.ts";
import { assertConfigured, certificateParams } from "./subjects.ts";

const begun = z.object({ certificate: z.string(), begun: z.literal(true) });

/** What tries something without changing it. */
export const checkOperations = [
  operation({
    id: "checkTarget",
    method: "post",
    path: "/targets/{target}/check",
    tag: "Act",
    summary: "Try whether a target can be deployed to, without touching it.",
    params: z.strictObject({ target: z.string().min(1).max(100) }),
    body: reasonBody,
    answer: { document: "TargetCheckReport" },
    run: ({ web, params: { target }, decision }) => checkTarget(web, target, decision),
  }),
  operation({
    id: "beginCertificateCheck",
    method: "post",
    path: "/certificates/{certificate}/check",
    tag: "Act",
    summary:
      "Begin to check what a CA would check, for the history: the event `certificate.checked` says what was found.",
    params: certificateParams,
    body: reasonBody,
    answer: begun,
    status: 202,
    async run({ web, params: { certificate }, decision }) {
      assertConfigured(web, certificate);
      beginCheck(web, certificate, decision);
      return { certificate, begun: true };
    },
  }),
];
