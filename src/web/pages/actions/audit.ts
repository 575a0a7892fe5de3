import { recordAudit } from "../../../actions/recordAudit.ts";
import { RenewalError, toRenewalError } from "../../../domain/errors.ts";
import { HOUR_MS } from "../../../domain/time.ts";
import type { WebContext } from "../../context.ts";

let running = false;

/** One at a time: it reads the whole history. What it finds is the event `history.audited`. */
export function beginAudit(web: WebContext, by: string): void {
  if (running) throw new RenewalError("request.invalid", "the history is being audited already");
  running = true;
  audit(web, by)
    .catch((thrown: unknown) => web.renewal.log.error({ err: toRenewalError(thrown) }, "history not audited"))
    .finally(() => {
      running = false;
    });
}

async function audit({ inquiries, renewal: { store, clock } }: WebContext, by: string): Promise<void> {
  const report = await inquiries.audit(null, AbortSignal.timeout(HOUR_MS));
  await recordAudit(store, report, by, clock.now());
}
