import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import type { RehearseEntry, RehearseReport } from "../../actions/rehearse.ts";
import { ERRORS, isErrorCode } from "../../domain/errorTable.ts";
import type { CertificatesReport } from "../../reports/certificates.ts";
import type { Connection } from "./connection.ts";
import { document, eventsSchema, search } from "./documents.ts";

const REHEARSAL_TIMEOUT_MS = 1_200_000;
const REHEARSAL_POLL_MS = 1_000;
/** Lists, of which the members with one index belong together. */
const rehearsedDetail = z.looseObject({
  steps: z.array(z.string()),
  results: z.array(z.enum(["passed", "failed", "notChecked"])),
  messages: z.array(z.string()),
  stepCodes: z.array(z.string()),
});

/** It runs there for minutes; its end is an event. */
export async function rehearsed(
  server: Connection,
  name: string | null,
  reason: string | null,
): Promise<RehearseReport> {
  const names =
    name === null
      ? (await server.get("/documents/certificates", document<CertificatesReport>(2))).certificates.map(
          ({ certificate }) => certificate,
        )
      : [name];
  const steps: RehearseEntry[] = [];
  for (const certificate of names) {
    const newest = await server.get("/events?limit=1", eventsSchema);
    const since = newest.items[0]?.seq ?? 0;
    await server.post(
      `/certificates/${encodeURIComponent(certificate)}/rehearse`,
      reason === null ? {} : { reason },
      z.looseObject({}),
    );
    steps.push(...(await rehearsalEnd(server, certificate, since)));
  }
  return { version: 1, passed: steps.every(({ result }) => result !== "failed"), steps };
}

async function rehearsalEnd(server: Connection, certificate: string, since: number): Promise<RehearseEntry[]> {
  const signal = AbortSignal.timeout(REHEARSAL_TIMEOUT_MS);
  const query = search({ q: `name:${certificate}`, limit: "50" });
  for (;;) {
    const { items } = await server.get(`/events${query}`, eventsSchema);
    const end = items.find(
      (event) => event.seq > since && event.type === "certificate.rehearsed" && event.certificate === certificate,
    );
    if (end !== undefined) {
      const { steps, results, messages, stepCodes } = rehearsedDetail.parse(end.detail);
      return steps.map((step, index) => {
        const { [index]: code = "" } = stepCodes;
        const action = isErrorCode(code) ? ERRORS[code].action : null;
        return { certificate, step, result: results[index] ?? "notChecked", message: messages[index] ?? "", action };
      });
    }
    await delay(REHEARSAL_POLL_MS, undefined, { signal });
  }
}
