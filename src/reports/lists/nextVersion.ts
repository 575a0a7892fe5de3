import { keyOf, left } from "../../renewal/rules/budget.ts";
import { chargesFor } from "../../renewal/rules/decide.ts";
import type { Member } from "../fleet.ts";

/** What a renewal would bring, in one sentence: from where, to where, and what it takes of the CA's limits. */
export function nextVersionOf({ certificate, version, budget }: Member, now: number): string {
  const generation = (version?.generation ?? 0) + 1;
  const limits = chargesFor(certificate, version, budget.ca)
    .filter(({ spends }) => spends)
    .map((charge) => left(charge, budget.buckets.get(keyOf(charge)), now));
  const spare = limits.length === 0 ? "" : `; the CA allows ${Math.max(0, Math.min(...limits))} more such orders now`;
  const targets = certificate.targets.length === 0 ? "no target" : certificate.targets.join(", ");
  return `generation ${generation} from ${certificate.issuer} to ${targets}, proved at ${certificate.endpoints.length} endpoint${certificate.endpoints.length === 1 ? "" : "s"}${spare}`;
}
