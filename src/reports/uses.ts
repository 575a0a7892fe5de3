import type { Uses } from "../domain/applied.ts";
import type { Certificate } from "../domain/certificate.ts";

export function usesOf(certificates: readonly Pick<Certificate, "targets" | "endpoints">[]): Uses {
  const targets = new Set<string>();
  const vantages = new Set<string>();
  let anywhere = false;
  for (const each of certificates) {
    for (const target of each.targets) targets.add(target);
    for (const { vantage } of each.endpoints)
      if (vantage === undefined) anywhere = true;
      else vantages.add(vantage);
  }
  return { certificates: certificates.length, targets: [...targets].sort(), vantages: [...vantages].sort(), anywhere };
}
