import { createHash, X509Certificate } from "node:crypto";
import { checkHostAndPort } from "../config/schema/endpoints.ts";
import { RenewalError } from "../domain/errors.ts";
import type { ServedChange, ServedPlace, ServedQuery } from "../domain/served.ts";
import type { Store } from "../domain/store.ts";
import { pastOption } from "../domain/writtenTime.ts";
import { iso } from "../reports/instant.ts";
import {
  type DescribeServed,
  differencesOf,
  type ServedCertificateEntry,
  type ServedDiffReport,
  type ServedMoment,
  type ServedReport,
  servedChange,
  servedPlace,
} from "../reports/served.ts";
import { describeCertificate } from "../tls/scan/certificate.ts";

const PLACES_MAX = 100;
const CHANGES_MAX = 100;

type Stored = Pick<Store, "served">;

/** What every place of an address served: at one instant, or by change. Throws `request.invalid` when none is known. */
export async function servedReport(
  { served }: Stored,
  { address, at }: { readonly address: string; readonly at: string | null },
  now: number,
): Promise<ServedReport> {
  const asked = at === null ? null : pastOption("--at", at, now);
  const places = await placesOf({ served }, address);
  const found: { readonly place: ServedPlace; readonly changes: readonly ServedChange[]; readonly more: boolean }[] =
    [];
  for (const place of places) {
    const all = asked === null ? await served.changes(place.key, { limit: CHANGES_MAX + 1 }) : [];
    const then = asked === null ? null : await served.at(place.key, asked);
    const changes = asked === null ? all.slice(0, CHANGES_MAX) : [then].filter((each) => each !== null);
    found.push({ place, changes, more: all.length > CHANGES_MAX });
  }
  const describe = await describer(
    { served },
    found.flatMap(({ changes }) => changes),
  );
  return {
    version: 1,
    at: iso(now),
    asked: iso(asked),
    places: found.map(({ place, changes, more }) => servedPlace(place, changes, more, describe)),
  };
}

/** `one` and `other`: an address, with `@` and an instant or without, which means now. */
export async function servedDiff(
  { served }: Stored,
  { one, other }: { readonly one: string; readonly other: string },
  now: number,
): Promise<ServedDiffReport> {
  const [first, second] = [await momentOf({ served }, one, now), await momentOf({ served }, other, now)];
  const describe = await describer(
    { served },
    [first.change, second.change].filter((each) => each !== null),
  );
  const entry = ({ place, asked, change }: Moment): ServedMoment => ({
    place: place.key,
    asked: iso(asked),
    served: change === null ? null : servedChange(change, describe),
  });
  const [a, b] = [entry(first), entry(second)];
  const differences = differencesOf(a.served, b.served);
  return { version: 1, at: iso(now), one: a, other: b, same: differences.length === 0, differences };
}

interface Moment {
  readonly place: ServedPlace;
  readonly asked: number;
  readonly change: ServedChange | null;
}

async function momentOf({ served }: Stored, text: string, now: number): Promise<Moment> {
  const { address, instant } = splitMoment(text);
  const asked = instant === null ? now : pastOption(text.slice(0, 80), instant, now);
  const [place, ...others] = await placesOf({ served }, address);
  if (place === undefined || others.length > 0) {
    const names = [place, ...others].flatMap((each) => each?.key ?? []).join(", ");
    throw new RenewalError("request.invalid", `"${text.slice(0, 80)}" is several places; name one of them: ${names}`);
  }
  return { place, asked, change: await served.at(place.key, asked) };
}

/** `www.example.org@2026-05-04T03:12Z`; a place itself has an `@` too. */
function splitMoment(text: string): { readonly address: string; readonly instant: string | null } {
  const at = text.lastIndexOf("@");
  const rest = text.slice(at + 1);
  const isInstant = at > 0 && (/^\d{4}-\d{2}-\d{2}/.test(rest) || /^\d+[smhdw]$/.test(rest));
  return isInstant ? { address: text.slice(0, at), instant: rest } : { address: text, instant: null };
}

async function placesOf({ served }: Stored, text: string): Promise<ServedPlace[]> {
  const found = await served.places(queryOf(text), PLACES_MAX);
  if (found.length > 0) return found;
  const asked = text.slice(0, 100);
  throw new RenewalError(
    "request.invalid",
    `nothing is known of "${asked}": it is no address, host or server name that renewd has dialled within its retention`,
  );
}

function queryOf(text: string): ServedQuery {
  if (text.includes("@")) return { name: text, port: null };
  const checked = checkHostAndPort(text, null);
  if (!("problem" in checked)) return { name: checked.value.host, port: checked.value.port };
  const alone = checkHostAndPort(text.includes(":") && !text.startsWith("[") ? `[${text}]` : text, 1);
  if ("problem" in alone) throw new RenewalError("request.invalid", `"${text.slice(0, 80)}" ${alone.problem}`);
  return { name: alone.value.host, port: null };
}

/** Reads every certificate once. */
async function describer({ served }: Stored, changes: readonly ServedChange[]): Promise<DescribeServed> {
  const wanted = changes.flatMap(({ leaf, chain }) => [...(leaf === null ? [] : [leaf]), ...chain]);
  const kept = await served.certificates(wanted);
  const entries = new Map([...kept].map(([fingerprint, der]) => [fingerprint, entryOf(der)]));
  return (fingerprint) => entries.get(fingerprint) ?? null;
}

function entryOf(der: Uint8Array): ServedCertificateEntry | null {
  try {
    const certificate = new X509Certificate(der);
    const { fingerprint, serial, subject, issuer, subjectAltNames, notBefore, notAfter, key } =
      describeCertificate(certificate);
    const spki = certificate.publicKey.export({ type: "spki", format: "der" });
    const keyDigest = createHash("sha256").update(spki).digest("hex");
    const dates = { notBefore: iso(notBefore), notAfter: iso(notAfter) };
    return { fingerprint, serial, subject, issuer, names: subjectAltNames, ...dates, key, keyDigest };
  } catch {
    return null;
  }
}
