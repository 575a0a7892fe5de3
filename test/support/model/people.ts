import type { Certificate } from "../../../src/domain/certificate.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { Context } from "../../../src/renewal/context.ts";
import { redeploy } from "../../../src/renewal/operator/redeploy.ts";
import { resumeRenewal } from "../../../src/renewal/operator/resume.ts";
import { rollBackRenewal } from "../../../src/renewal/operator/rollBack.ts";
import { requestRenewal } from "../../../src/renewal/plan/request.ts";
import type { Random } from "./random.ts";

/** A person edits a certificate's configuration for the n-th time, sometimes with another second name. */
export function changedSomehow(certificate: Certificate, random: Random, times: number): Certificate {
  const added = { type: "dns", value: `more-${times}.example.org` } as const;
  const digest = `digest-${times}`;
  if (!random.chance(0.5)) return { ...certificate, digest };
  // Other names are another certificate: only this ends an order in flight.
  return { ...certificate, identifiers: [...certificate.identifiers.slice(0, 1), added], digest, issueDigest: digest };
}

/** A person decides something about a certificate, sensible or not; being refused is fine. */
export async function decideSomething(context: Context, random: Random, certificate: string): Promise<void> {
  const decision = { of: certificate, why: null, by: "model" };
  const wish = { certificate, targets: [], by: "model" };
  const verbs: [() => Promise<unknown>, ...(() => Promise<unknown>)[]] = [
    () => resumeRenewal(context, decision),
    () => rollBackRenewal(context, decision),
    () => redeploy(context, { ...wish, generation: null }),
    () => redeploy(context, { ...wish, generation: 1 + random.below(4) }),
    () => redeploy(context, { ...wish, targets: ["b"], generation: null }),
  ];
  const force = () => requestRenewal(context, { certificate, force: true, reason: null, requestedBy: "model" });
  // Without new pairs there would be little to hold and to take back.
  await (random.chance(0.5) ? force : random.pick(verbs))().catch((thrown: unknown) => {
    if (!(thrown instanceof RenewalError && thrown.code === "request.invalid")) throw thrown;
  });
}
