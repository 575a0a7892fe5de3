import { futureOption } from "../domain/writtenTime.ts";
import * as operator from "../renewal/operator/pause.ts";
import { renewalWindow } from "../renewal/rules/window.ts";
import { iso } from "../reports/instant.ts";
import { type ActionContext, certificateNamed, checkedReason, type Decision } from "./context.ts";

/** `renewd pause --json`. */
export interface PauseReport {
  readonly version: 1;
  readonly certificate: string;
  readonly until: string | null;
  /** A renewal that was running already goes on. */
  readonly inFlight: string | null;
  /** What the pause outlasts; null: it ends before the certificate is due, or nothing was issued. */
  readonly outlasts: { readonly dueAt: string; readonly expiresAt: string } | null;
}

export interface PauseRequest {
  readonly certificate: string;
  /** `2d`, or an instant; null: until it is resumed. */
  readonly until: string | null;
}

/** Plans no renewal until it is resumed. */
export async function pause(
  { renewal: { store, clock }, estate }: ActionContext,
  { certificate: name, until: written }: PauseRequest,
  decision: Decision,
): Promise<PauseReport> {
  const certificate = certificateNamed(estate().certificates, name);
  const now = clock.now();
  const until = written === null ? null : futureOption("--until", written, now);
  const reason = checkedReason(decision.reason);
  await operator.pause(store, { certificate: name, reason, until, by: decision.by }, now);
  const active = await store.renewals.active(name);
  const version = await store.versions.latest(name);
  const window = version && renewalWindow(version.leaf, certificate.policy);
  // A pause that outlasts the window is how a certificate expires by accident.
  const outlasts =
    window === null || (until !== null && until <= window.dueAt)
      ? null
      : { dueAt: iso(window.dueAt), expiresAt: iso(window.expiresAt) };
  return { version: 1, certificate: name, until: iso(until), inFlight: active?.id ?? null, outlasts };
}
