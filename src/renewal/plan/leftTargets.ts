import type { Certificate } from "../../domain/certificate.ts";
import { leftFile, leftPlaces } from "../../domain/leftTarget.ts";
import type { Store } from "../../domain/store.ts";
import type { ConfiguredServices } from "../context.ts";

type Services = Pick<ConfiguredServices, "certificates" | "places">;

/**
 * Records which targets left the configuration although they still hold a pair, with its private key: renewd removes
 * nothing unasked, so people must know. One that comes back, or whose place another target has now, has not left.
 */
export async function recordLeftTargets(tx: Store, services: Services, now: number): Promise<void> {
  const certificates = new Map(services.certificates().map((one) => [one.name, one]));
  const isConfigured = (certificate: string, target: string): boolean =>
    certificates.get(certificate)?.targets.includes(target) === true;
  const occupied = occupiedPlaces(services);
  const known = await tx.leftTargets.list();
  for (const left of known) {
    const { certificate, target } = left;
    const isBack = isConfigured(certificate, target);
    if (!isBack && !occupied.has(leftFile(left) ?? "")) continue;
    await tx.leftTargets.remove(left);
    const of = { at: now, certificate, renewalId: null, target };
    const why = isBack ? "it is configured again" : "a configured target has its place";
    await tx.events.append({ ...of, type: "target.returned", detail: { why } });
  }
  const recorded = new Set(known.map(({ certificate, target }) => `${certificate} ${target}`));
  for (const { certificate, target, receipt, isAltered } of await tx.deployments.listAll()) {
    if (receipt === null || isAltered || isConfigured(certificate, target)) continue;
    const left = { certificate, target, receipt, leftAt: now };
    if (recorded.has(`${certificate} ${target}`) || occupied.has(leftFile(left) ?? "")) continue;
    await tx.leftTargets.add(left);
    const detail = { places: leftPlaces(left) };
    await tx.events.append({ at: now, type: "target.left", certificate, renewalId: null, target, detail });
  }
}

/** Files and other things that configured targets write to. */
export function occupiedPlaces({ certificates, places }: Services): ReadonlySet<string> {
  const of = ({ name, targets }: Certificate): readonly string[] => targets.flatMap((target) => places(target, name));
  return new Set(certificates().flatMap(of));
}
