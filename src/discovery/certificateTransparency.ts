import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import type { FoundCertificate } from "../domain/inventory.ts";
import { nameLine, sanitize } from "../domain/text.ts";
import { CERTIFICATE_BYTES_MAX, foundCertificate } from "../x509/describe.ts";
import { jsonItems } from "./jsonItems.ts";

const TIMEOUT_MS = 120_000;
/** 100,000 entries of crt.sh have 60 MB. */
const ANSWER_BYTES_MAX = 256 * 1_048_576;
const NAMES_MAX = 200;

/** As crt.sh answers with `output=json`. Times are UTC without saying so. */
const entry = z.object({
  id: z.union([z.number().int(), z.string().max(40)]),
  serial_number: z.string().min(1).max(100),
  issuer_name: z.string().default(""),
  common_name: z.string().nullish(),
  name_value: z.string().default(""),
  not_before: z.string().max(40),
  not_after: z.string().max(40),
});

/** A certificate that a log has. Text in it is foreign and already one bounded line. Instants are ms since epoch. */
export interface LoggedCertificate {
  readonly serial: string;
  /** The log's own name for it. */
  readonly id: string;
  readonly names: readonly string[];
  readonly issuer: string;
  readonly notBefore: number;
  readonly notAfter: number;
}

export interface Searched {
  /** Valid now, each serial once; those that end first come first. */
  readonly certificates: readonly LoggedCertificate[];
  /** There are more than were asked for. */
  readonly isCapped: boolean;
}

export interface SearchSettings {
  /** A URL with `{domain}`. */
  readonly search: string;
  readonly max: number;
  /** ms since epoch. */
  readonly now: number;
}

/** What Certificate Transparency knows of a domain and the names below it. Throws `discovery.unreachable`. */
export async function searchLogs(
  domain: string,
  { search, max, now }: SearchSettings,
  signal: AbortSignal,
): Promise<Searched> {
  const found = new Map<string, LoggedCertificate>();
  const url = search.replaceAll("{domain}", encodeURIComponent(domain));
  const isCapped = await asked(url, signal, async (body) => {
    for await (const item of jsonItems(body)) {
      const logged = readEntry(item);
      if (logged === null || logged.notAfter <= now || !logged.names.some((name) => isBelow(name, domain))) continue;
      // A pre-certificate and its certificate have one serial.
      if (!found.has(logged.serial) && found.size >= max) return true;
      found.set(logged.serial, found.get(logged.serial) ?? logged);
    }
    return false;
  });
  return { certificates: [...found.values()].sort((a, b) => a.notAfter - b.notAfter), isCapped };
}

/** Fetches one certificate; null: what came is none, or another one. Throws `discovery.unreachable`. */
export async function fetchLogged(
  { id, serial }: Pick<LoggedCertificate, "id" | "serial">,
  certificateUrl: string,
  signal: AbortSignal,
): Promise<FoundCertificate | null> {
  const url = certificateUrl.replaceAll("{id}", encodeURIComponent(id));
  const chunks: Uint8Array[] = [];
  await asked(url, signal, async (body) => {
    let bytes = 0;
    for await (const chunk of body) {
      bytes += chunk.length;
      if (bytes > CERTIFICATE_BYTES_MAX * 2) throw new TypeError("it answered with more than a certificate");
      chunks.push(chunk);
    }
  });
  const certificate = foundCertificate(Buffer.concat(chunks).toString("latin1"));
  return certificate !== null && plainSerial(certificate.serial) === plainSerial(serial) ? certificate : null;
}

export function plainSerial(serial: string): string {
  return serial
    .replace(/[^0-9a-f]/gi, "")
    .toUpperCase()
    .replace(/^0+/, "");
}

async function asked<T>(
  url: string,
  signal: AbortSignal,
  read: (body: AsyncIterable<Uint8Array>) => Promise<T>,
): Promise<T> {
  const { host } = new URL(url);
  const patience = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
  try {
    const response = await fetch(url, {
      redirect: "error",
      signal: patience,
      headers: { accept: "application/json, */*" },
    });
    if (!response.ok || response.body === null) {
      await response.body?.cancel();
      throw new TypeError(`it answered ${response.status}`);
    }
    return await read(bounded(response.body));
  } catch (cause) {
    signal.throwIfAborted();
    const why = patience.aborted ? "no whole answer in time" : textOf(cause);
    throw new RenewalError("discovery.unreachable", `${host} (Certificate Transparency): ${why}`, { cause });
  }
}

async function* bounded(body: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void> {
  let bytes = 0;
  for await (const chunk of body) {
    bytes += chunk.length;
    if (bytes > ANSWER_BYTES_MAX) throw new TypeError(`it answered with more than ${ANSWER_BYTES_MAX} bytes`);
    yield chunk;
  }
}

function readEntry(item: unknown): LoggedCertificate | null {
  const { data } = entry.safeParse(item);
  if (data === undefined) return null;
  const notBefore = instantOf(data.not_before);
  const notAfter = instantOf(data.not_after);
  const serial = plainSerial(data.serial_number);
  if (!Number.isFinite(notBefore) || !Number.isFinite(notAfter) || serial === "") return null;
  const written = [...data.name_value.slice(0, 60_000).split("\n"), data.common_name ?? ""];
  const names = written.map((name) => sanitize(name.toLowerCase(), 255)).filter((name) => name !== "");
  return {
    ...{ serial, notBefore, notAfter },
    id: String(data.id),
    names: [...new Set(names)].slice(0, NAMES_MAX),
    issuer: nameLine(data.issuer_name),
  };
}

function instantOf(text: string): number {
  return Date.parse(/Z$|[+-]\d\d:?\d\d$/.test(text) ? text : `${text}Z`);
}

function isBelow(name: string, domain: string): boolean {
  return name === domain || name.endsWith(`.${domain}`);
}

function textOf(cause: unknown): string {
  if (cause instanceof SyntaxError) return "its answer is not JSON";
  if (!(cause instanceof Error)) return "no answer";
  const inner = cause.cause instanceof Error ? `: ${cause.cause.message}` : "";
  return sanitize(cause.message === "fetch failed" ? `no connection${inner}` : cause.message, 200);
}
