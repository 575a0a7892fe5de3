import { z } from "zod";
import type { DialReport } from "../../actions/dial.ts";
import type { AccountReport } from "../../reports/account.ts";
import type { AuditReport } from "../../reports/audit.ts";
import type { CertificatesReport } from "../../reports/certificates.ts";
import type { ChallengesReport } from "../../reports/challenges.ts";
import type { CheckReport } from "../../reports/check.ts";
import type { DoctorReport } from "../../reports/doctor.ts";
import type { LeftoversReport } from "../../reports/leftovers.ts";
import type { NotifyReport } from "../../reports/notifyTest.ts";
import type { Connection } from "./connection.ts";
import type { Desk } from "./desk.ts";
import { document, search } from "./documents.ts";

type Inquiries = Pick<
  Desk,
  | "dial"
  | "audit"
  | "doctor"
  | "check"
  | "notify"
  | "challenges"
  | "removeForeign"
  | "leftovers"
  | "forgetLeftovers"
  | "account"
>;

/** What takes long there; a proxy in between may be less patient. */
const PATIENCE_MS = 290_000;

const removed = z.object({ removed: z.array(z.object({ name: z.string(), value: z.string() })) });

export function inquiriesAt(server: Connection): Inquiries {
  const patient = (signal: AbortSignal) => ({ timeoutMs: PATIENCE_MS, signal });
  const checkOne = (name: string, signal: AbortSignal): Promise<CheckReport> =>
    server.get(`/certificates/${encodeURIComponent(name)}/check`, document<CheckReport>(1), patient(signal));
  return {
    dial: (name) => server.post(`/certificates/${encodeURIComponent(name)}/dial`, {}, document<DialReport>(1)),
    audit: (head, signal) => server.get(`/audit${search({ head })}`, document<AuditReport>(1), patient(signal)),
    doctor: (signal) => server.get("/doctor", document<DoctorReport>(1), patient(signal)),
    async check(name, signal) {
      if (name !== null) return checkOne(name, signal);
      const { certificates } = await server.get("/documents/certificates", document<CertificatesReport>(2));
      const reports: CheckReport[] = [];
      for (const { certificate } of certificates) reports.push(await checkOne(certificate, signal));
      return {
        version: 1,
        passed: reports.every(({ passed }) => passed),
        certificates: certificates.map(({ certificate }) => certificate),
        concerns: reports.flatMap(({ concerns }) => concerns),
      };
    },
    notify: (channel) => server.post("/channels/test", channel === null ? {} : { channel }, document<NotifyReport>(1)),
    challenges: ({ certificate, own }, signal) =>
      server.get(
        `/challenges${search({ certificate, own: own ? "true" : null })}`,
        document<ChallengesReport>(1),
        patient(signal),
      ),
    removeForeign: async (what) => (await server.post("/challenges/remove", what, removed)).removed,
    leftovers: () => server.get("/leftovers", document<LeftoversReport>(1)),
    forgetLeftovers: () => server.post("/leftovers/forget", {}, document<LeftoversReport>(1)),
    account: (issuer, signal) =>
      server.get(`/issuers/${encodeURIComponent(issuer)}/account`, document<AccountReport>(1), patient(signal)),
  };
}
