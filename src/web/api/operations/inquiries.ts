import { z } from "zod";
import { testChannels } from "../../../actions/checks.ts";
import { dial } from "../../../actions/dial.ts";
import { inTurn } from "../inTurn.ts";
import { operation } from "../operation.ts";
import { reasonBody } from "./bodies.ts";
import { assertConfigured, certificateParams } from "./subjects.ts";

const name = z.string().min(1).max(100);
const TIMEOUT_MS = 300_000;

/** What takes long, or asks others than the database: one at a time. */
export const inquiryOperations = [
  operation({
    id: "getDoctor",
    method: "get",
    path: "/doctor",
    tag: "See",
    summary: "Checks everything renewd needs there but targets, and says how to fix what is wrong: `renewd doctor`.",
    answer: { document: "DoctorReport" },
    run: ({ web, signal }) => inTurn(web, () => web.inquiries.doctor(signal), "inquiries"),
  }),
  operation({
    id: "verifyHistory",
    method: "get",
    path: "/audit",
    tag: "See",
    summary: "Proves that the history is as renewd wrote it: `renewd audit verify`.",
    query: z.strictObject({
      head: z.string().max(200).optional().describe("`number:seal` of an event that must still be there."),
    }),
    answer: { document: "AuditReport" },
    run: ({ web, query: { head = null }, signal }) => inTurn(web, () => web.inquiries.audit(head, signal), "inquiries"),
  }),
  operation({
    id: "checkCertificate",
    method: "get",
    path: "/certificates/{certificate}/check",
    tag: "See",
    summary: "Checks what a CA would check, without an order: `renewd check`.",
    params: certificateParams,
    answer: { document: "CheckReport" },
    run({ web, params: { certificate }, signal }) {
      assertConfigured(web, certificate);
      return web.inquiries.check(certificate, signal);
    },
  }),
  operation({
    id: "dialEndpoints",
    method: "post",
    path: "/certificates/{certificate}/dial",
    tag: "Act",
    summary: "One handshake with every address of its endpoints now: `renewd dial`.",
    params: certificateParams,
    body: z.strictObject({}),
    answer: { document: "DialReport" },
    reachesOut: true,
    run({ web, params: { certificate }, signal }) {
      assertConfigured(web, certificate);
      return dial(web, certificate, signal);
    },
  }),
  operation({
    id: "listChallenges",
    method: "get",
    path: "/challenges",
    tag: "See",
    summary: "What is published in DNS for challenges: `renewd challenges`.",
    query: z.strictObject({
      certificate: name.optional().describe("Only at the names of this one. Default: all."),
      own: z.boolean().optional().describe("Only what renewd wrote down; asks no DNS provider."),
    }),
    answer: { document: "ChallengesReport" },
    run({ web, query: { certificate = null, own = false }, signal }) {
      if (certificate !== null) assertConfigured(web, certificate);
      const bounded = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
      return web.inquiries.challenges({ certificate, own }, bounded);
    },
  }),
  operation({
    id: "removeForeignChallenges",
    method: "post",
    path: "/challenges/remove",
    tag: "Act",
    summary: "Remove values that other clients left at the names of a certificate.",
    body: z.strictObject({ certificate: name, value: z.string().min(1).max(600).describe("One value, or `all`.") }),
    answer: z.object({ removed: z.array(z.object({ name: z.string(), value: z.string() })) }),
    reachesOut: true,
    async run({ web, body }) {
      assertConfigured(web, body.certificate);
      return { removed: [...(await web.inquiries.removeForeign(body, AbortSignal.timeout(TIMEOUT_MS)))] };
    },
  }),
  operation({
    id: "listLeftovers",
    method: "get",
    path: "/leftovers",
    tag: "See",
    summary: "Pairs left by targets that left the configuration or write elsewhere now: `renewd leftovers`.",
    answer: { document: "LeftoversReport" },
    run: ({ web }) => web.inquiries.leftovers(),
  }),
  operation({
    id: "forgetLeftovers",
    method: "post",
    path: "/leftovers/forget",
    tag: "Act",
    summary: "List them no longer: they were removed by hand, or shall stay.",
    body: z.strictObject({}),
    answer: { document: "LeftoversReport" },
    run: ({ web }) => web.inquiries.forgetLeftovers(web.renewal.store),
  }),
  operation({
    id: "testChannels",
    method: "post",
    path: "/channels/test",
    tag: "Act",
    summary: "Send a test message by each channel, or by one: `renewd notify`.",
    body: reasonBody.extend({ channel: name.optional().describe("Only this one.") }),
    answer: { document: "NotifyReport" },
    reachesOut: true,
    run: ({ web, body: { channel = null }, decision }) => testChannels(web, channel, decision),
  }),
  operation({
    id: "getAccount",
    method: "get",
    path: "/issuers/{issuer}/account",
    tag: "See",
    summary: "What the CA says of the issuer's ACME account: `renewd account show`.",
    params: z.strictObject({ issuer: name.describe("Its name in the configuration.") }),
    answer: { document: "AccountReport" },
    run({ web, params: { issuer }, signal }) {
      return web.inquiries.account(issuer, AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]));
    },
  }),
];
