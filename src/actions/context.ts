import { domainToASCII } from "node:url";
import { suggestion } from "../config/read/suggestions.ts";
import type { CaBudget } from "../domain/budget.ts";
import type { Certificate } from "../domain/certificate.ts";
import type { TargetLimits } from "../domain/deployer.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Context } from "../renewal/context.ts";

/** What people's decisions are carried out with, whether they come from a terminal, a page or the API. */
export interface ActionContext {
  readonly renewal: Context;
  /** What reports take besides the store; asked again for each decision. */
  readonly estate: () => Estate;
  /** Through the queue, or into the database while Redis is away. One answer per name, in their order. */
  readonly requestRenewals: (names: readonly string[], wish: RenewalWish) => Promise<readonly RequestOutcome[]>;
}

export interface Estate {
  readonly certificates: readonly Certificate[];
  readonly budget: (issuer: string) => CaBudget;
  readonly limits: (target: string) => TargetLimits;
  readonly reloads: (target: string) => boolean;
  readonly observeMs: number;
  /** Targets that only their own deployer deploys to. */
  readonly agentTargets: readonly string[];
}

export interface RenewalWish {
  readonly force: boolean;
  readonly reason: string | null;
  /** Who asks, for the history; null: not known. */
  readonly by: string | null;
  /**
   * The id of the renewal of this name: the same request sent again is the same renewal. Default: a new one each time.
   */
  readonly idOf?: (certificate: string) => string;
}

export interface Started {
  readonly kind: "started";
  readonly certificate: string;
  readonly renewalId: string;
  readonly via: "queue" | "database";
  /** It was in flight and waited: its next attempt starts now. */
  readonly hurried?: boolean;
}

export type RequestOutcome =
  | Started
  | { readonly kind: "refused"; readonly certificate: string; readonly error: RenewalError };

/** Who decides, and why. */
export interface Decision {
  readonly by: string | null;
  readonly reason: string | null;
}

export interface ActionError {
  readonly code: string;
  readonly message: string;
  readonly action: string;
}

export function actionError({ code, message, facts }: RenewalError): ActionError {
  return { code, message, action: facts.action };
}

const HOLDERS_MAX = 5;
export const REASON_LENGTH_MAX = 200;

/** Throws `request.invalid`. */
export function checkedReason(text: string | null): string {
  const reason = text?.trim() ?? "";
  if (reason === "" || reason.length > REASON_LENGTH_MAX)
    throw new RenewalError("request.invalid", `--reason: must say why, in 1 to ${REASON_LENGTH_MAX} characters`);
  return reason;
}

/** As `checkedReason`, where none need be given. */
export function optionalReason(text: string | null): string | null {
  return text === null || text.trim() === "" ? null : checkedReason(text);
}

/** Throws `request.invalid` with the nearest name. */
export function certificateNamed(certificates: readonly Certificate[], name: string): Certificate {
  const found = certificates.find((certificate) => certificate.name === name);
  if (found !== undefined) return found;
  throw new RenewalError(
    "request.invalid",
    `certificate "${name.slice(0, 80)}" is not configured${meant(certificates, name)}`,
  );
}

/** What is called for is often the name that browsers complain of; else the nearest name of a certificate. */
export function meant(certificates: readonly Certificate[], name: string): string {
  const served = domainToASCII(name);
  const holders = certificates.filter(({ identifiers }) => identifiers.some(({ value }) => value === served));
  if (holders.length === 0 || served === "")
    return suggestion(
      name,
      certificates.map((certificate) => certificate.name),
    );
  const names = holders.slice(0, HOLDERS_MAX).map((holder) => `"${holder.name}"`);
  return `, but it is a name in certificate ${names.join(", ")}${holders.length > HOLDERS_MAX ? " …" : ""}`;
}
