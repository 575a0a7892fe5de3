import type { Store } from "../../domain/store.ts";
import type { Context } from "../context.ts";

/**
 * The database's record says which configuration of a certificate is the newest: the planners' last one. A process with
 * another, or with none, has yet to be reloaded and must decide nothing about it. Only what was removed there is gone.
 */
export async function isConfigurationOutdated(
  { services, log }: Pick<Context, "services" | "log">,
  store: Store,
  certificate: string,
): Promise<boolean> {
  const record = await store.certificates.get(certificate);
  if (record === null) return false;
  const newest = record.removedAt === null ? record.digest : undefined;
  if (services.certificate(certificate)?.digest === newest) return false;
  log.warn({ certificate }, "certificate's configuration here differs from the database: reload this process");
  return true;
}
