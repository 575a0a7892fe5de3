import { dirname } from "node:path";
import type { Certificate } from "../../domain/certificate.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { joinLeft, type LeftTarget, leftFiles, leftPlaces, movedFrom } from "../../domain/leftTarget.ts";
import type { Store } from "../../domain/store.ts";
import type { ConfiguredServices } from "../context.ts";

type Services = Pick<ConfiguredServices, "certificates" | "places">;

interface Left {
  readonly certificate: string;
  readonly target: string;
  readonly receipt: DeployReceipt;
}

/**
 * Records which targets left the configuration although they still hold a pair, with its private key: renewd removes
 * nothing unasked, so people must know. A place that a configured target has now is not left.
 */
export async function recordLeftTargets(tx: Store, services: Services, now: number): Promise<void> {
  const certificates = new Map(services.certificates().map((one) => [one.name, one]));
  const isConfigured = ({ certificate, target }: Pick<Left, "certificate" | "target">): boolean =>
    certificates.get(certificate)?.targets.includes(target) === true;
  // What they hold is read, and compared, only where it can matter: of a large fleet it is much.
  const isAnyLeft = (await tx.deployments.received()).some((each) => !isConfigured(each));
  const before = await tx.leftTargets.list();
  if (!isAnyLeft && before.length === 0) return;
  const known = new Map(before.map((each) => [keyOf(each), each]));
  const deployed = (await tx.deployments.listAll()).flatMap(({ certificate, target, receipt, isAltered }) =>
    receipt === null || isAltered ? [] : [{ certificate, target, receipt }],
  );
  const held = new Set(deployed.filter(isConfigured).flatMap(namedPlaces));
  const occupied = occupiedPlaces(services);
  const isTaken = (left: Left): boolean => {
    const files = leftFiles({ ...left, leftAt: now });
    if (files.length > 0) return files.every((file) => isOccupied(file, occupied));
    const named = namedPlaces(left);
    return named.length === 0 ? isConfigured(left) : named.every((place) => held.has(place));
  };
  for (const left of before.filter(isTaken)) {
    const { certificate, target } = left;
    await tx.leftTargets.remove(left);
    known.delete(keyOf(left));
    const of = { at: now, certificate, renewalId: null, target };
    const why = isConfigured(left) ? "it is configured again" : "a configured target has its place";
    await tx.events.append({ ...of, type: "target.returned", detail: { why } });
  }
  for (const left of deployed)
    if (!isConfigured(left) && !isTaken(left)) await addLeft(tx, left, { known: known.get(keyOf(left)), now });
}

/** After a deploy: the target has the pair elsewhere now, and the place of before still holds a private key. */
export async function recordMoved(
  tx: Store,
  services: Services,
  { certificate, target, before, receipt }: Left & { readonly before: DeployReceipt | null },
  now: number,
): Promise<void> {
  const moved = movedFrom(before, receipt);
  if (moved === null) return;
  const left = { certificate, target, receipt: moved };
  const occupied = occupiedPlaces(services);
  const files = leftFiles({ ...left, leftAt: now });
  if (files.length > 0 && files.every((file) => isOccupied(file, occupied))) return;
  const known = (await tx.leftTargets.list()).find((one) => keyOf(one) === keyOf(left));
  await addLeft(tx, left, { known, now });
}

function keyOf({ certificate, target }: Pick<Left, "certificate" | "target">): string {
  return JSON.stringify([certificate, target]);
}

async function addLeft(
  tx: Store,
  { certificate, target, receipt }: Left,
  { known, now }: { readonly known: LeftTarget | undefined; readonly now: number },
): Promise<void> {
  const left = { certificate, target, receipt: joinLeft(known?.receipt, receipt), leftAt: known?.leftAt ?? now };
  if (known !== undefined && leftPlaces(known).length === leftPlaces(left).length) return;
  await tx.leftTargets.add(left);
  const detail = { places: leftPlaces(left) };
  await tx.events.append({ at: now, type: "target.left", certificate, renewalId: null, target, detail });
}

function namedPlaces(left: Left): readonly string[] {
  return leftPlaces(left).filter((place) => place !== left.target);
}

/** Files and other things that configured targets write to. */
export function occupiedPlaces({ certificates, places }: Services): ReadonlySet<string> {
  const of = ({ name, targets }: Certificate): readonly string[] => targets.flatMap((target) => places(target, name));
  return new Set(certificates().flatMap(of));
}

/** Some targets name the directory of their files. */
export function isOccupied(file: string, occupied: ReadonlySet<string>): boolean {
  return occupied.has(file) || occupied.has(dirname(file));
}
