import type { Certificate } from "../../domain/certificate.ts";
import type { Context } from "../context.ts";
import { concernText, type NameConcern, preflight } from "../steps/preflight.ts";
import type { Asked } from "./checkTarget.ts";

const TEXTS_MAX = 200;
const TEXT_CHARACTERS_MAX = 500;

export interface NamesCheck {
  /** No order would be refused, as far as can be found out. */
  readonly passed: boolean;
  readonly concerns: readonly NameConcern[];
}

/** What a CA would check before it issues, name by name; recorded as `certificate.checked` for people to read. */
export async function checkNames(
  context: Context,
  certificate: Certificate,
  { by, why }: Asked,
  signal: AbortSignal,
): Promise<NamesCheck> {
  const { store, services, clock } = context;
  const { name, identifiers, keyType, profile, issuer } = certificate;
  const request = { certificate: name, identifiers, keyType, profile };
  const [concerns, eligibility] = await Promise.all([
    preflight(context, certificate, { issuer, thorough: true }, signal),
    services
      .issuer(issuer)
      .eligibility?.(request, services.solvers(certificate), signal)
      .catch(() => null),
  ]);
  const passed = concerns.every(({ fatal }) => !fatal);
  const bounded = (texts: readonly string[]): string[] =>
    texts.slice(0, TEXTS_MAX).map((text) => text.slice(0, TEXT_CHARACTERS_MAX));
  await store.events.append({
    at: clock.now(),
    type: "certificate.checked",
    certificate: name,
    renewalId: null,
    target: null,
    detail: {
      ...{ passed, concerns: bounded(concerns.map(concernText)) },
      // `name text`, as an event's detail holds no tables.
      caa: bounded((eligibility?.caa ?? []).map(({ identifier, text }) => `${identifier} ${text}`)),
      ...{ by, ...(why !== null && { why }) },
    },
  });
  return { passed, concerns };
}
