import type { RenewalFacts } from "../../domain/store.ts";
import type { Context } from "../context.ts";

/**
 * The database holds the digest of a certificate's newest configuration, which the planners wrote. A process with
 * another one, or without the certificate, has yet to be reloaded and must not decide anything about it. A certificate
 * is gone only when the database says removed.
 */
export function isConfigurationOutdated(
  { services, log }: Pick<Context, "services" | "log">,
  certificate: string,
  record: RenewalFacts["record"],
): boolean {
  if (record === null) return false;
  const newest = record.removedAt === null ? record.digest : undefined;
  if (services.certificate(certificate)?.digest === newest) return false;
  log.warn({ certificate }, "certificate's configuration here differs from the database: reload this process");
  return true;
}
