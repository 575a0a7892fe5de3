import type { CertificateRecord } from "../../domain/certificate.ts";
import { isStoreAway } from "../../domain/errorTable.ts";

/**
 * A deadlock, or a database that was away for a moment, is no fault of the certificate: only the third such failure in
 * a row counts.
 */
const TRANSIENT_FAILURES = 3;

/** Whether people have to know that the planner cannot plan the certificate. */
export function isUnplannable({
  planErrorCode,
  planFailures,
}: Pick<CertificateRecord, "planErrorCode" | "planFailures">): boolean {
  return planFailures >= (isStoreAway(planErrorCode) ? TRANSIENT_FAILURES : 1);
}
