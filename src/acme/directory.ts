import { z } from "zod";
import { RenewalError } from "../domain/errors.ts";
import { sanitize } from "../domain/text.ts";
import { isOutsideItsDates } from "./connection.ts";
import { optionalMember, wrongMember } from "./member.ts";
import { refusalError, TEXT_CHARACTERS_MAX } from "./problem.ts";
import type { Answer, Transport } from "./transport.ts";

const url = z.url().max(2000);
const directorySchema = z.object({
  newNonce: url,
  newAccount: url,
  newOrder: url,
  revokeCert: optionalMember(url),
  renewalInfo: optionalMember(url),
  keyChange: optionalMember(url),
  meta: optionalMember(
    z.object({
      termsOfService: optionalMember(z.string().max(2000)),
      externalAccountRequired: optionalMember(z.boolean()),
      caaIdentities: optionalMember(z.array(z.string()).max(100)),
      // draft-ietf-acme-dns-persist-02 §3.2 and §4.1
      issuerDomainNames: optionalMember(z.array(z.string()).max(100)),
      accountHashPrefix: optionalMember(z.string().max(1000)),
      // Only their names are used.
      profiles: optionalMember(z.record(z.string().max(200), z.unknown())),
    }),
  ),
});

/** RFC 8555 §7.1.1 */
export type Directory = z.infer<typeof directorySchema>;

/** A CA that moves its URLs is followed within the hour, and at once when an old URL fails. */
const MAX_AGE_MS = 3600_000;
const REDIRECTS = [301, 302, 307, 308];

/** A Date header counts whole seconds: after this long it must have changed. */
const DATE_STEP_MS = 2_000;

export interface DirectoryOptions {
  readonly issuer: string;
  readonly directory: string;
  readonly transport: Transport;
  readonly now: () => number;
}

/**
 * How far the CA's clock is ahead of ours by its Date header; never by our own cached directory. null: it sends none,
 * or the answer comes from a cache, which says nothing of the time now: it has an Age (RFC 9111 §5.1), or its Date
 * stands still although time has passed since the answer before.
 */
export function createClockReader({
  issuer,
  directory,
  transport,
  now,
}: DirectoryOptions): (signal: AbortSignal) => Promise<number | null> {
  let before: { readonly date: number; readonly at: number } | null = null;
  return async (signal) => {
    const startedAt = now();
    const { headers } = await transport.send("GET", directory, null, signal).catch(throwSkewed(issuer));
    const date = Date.parse(headers.date ?? "");
    if (Number.isNaN(date) || headers.age !== undefined) return null;
    const at = performance.now();
    const standsStill = before !== null && before.date === date && at - before.at > DATE_STEP_MS;
    if (!standsStill) before = { date, at };
    return standsStill ? null : date - (startedAt + now()) / 2;
  };
}

/**
 * If our clock is far off, every CA's certificate seems expired or not yet valid, and no CA can be asked for the time.
 */
function throwSkewed(issuer: string): (error: unknown) => never {
  return (error) => {
    if (!(error instanceof RenewalError && isOutsideItsDates(error.cause))) throw error;
    const message =
      `by this machine's clock the certificate of CA "${issuer}" is outside its dates: ` +
      "the clock is wrong, or the certificate";
    throw new RenewalError("clock.skewed", message, { cause: error });
  };
}

export interface DirectoryCache {
  /** Throws `acme.directory` when the answer is no directory. */
  directory(signal: AbortSignal): Promise<Directory>;
  /** One of its URLs failed: the next caller gets a directory that is read again. */
  forgetDirectory(): void;
}

/** Reads the directory once an hour, shared by all orders of the issuer. */
export function createDirectory(options: DirectoryOptions): DirectoryCache {
  let cached: Directory | null = null;
  let readAt = 0;
  return {
    async directory(signal) {
      if (cached !== null && performance.now() - readAt < MAX_AGE_MS) return cached;
      const found = await read(options, signal);
      cached = found;
      readAt = performance.now();
      return found;
    },
    forgetDirectory() {
      cached = null;
    },
  };
}

/** Throws as `directory` does, also if it was right an hour ago. */
export async function readAgain(cache: DirectoryCache, signal: AbortSignal): Promise<void> {
  cache.forgetDirectory();
  await cache.directory(signal);
}

/** Follows one redirect: `transport` lets it lead to the directory's own origin only. */
async function fetchDirectory({ directory, transport }: DirectoryOptions, signal: AbortSignal): Promise<Answer> {
  const answer = await transport.send("GET", directory, null, signal);
  const { location } = answer.headers;
  if (!REDIRECTS.includes(answer.status) || location === undefined || !URL.canParse(location, directory)) return answer;
  return transport.send("GET", new URL(location, directory).href, null, signal);
}

async function read(options: DirectoryOptions, signal: AbortSignal): Promise<Directory> {
  const { issuer, directory, now } = options;
  const answer = await fetchDirectory(options, signal);
  const body = parseJson(answer.body);
  // A CA in maintenance or at its limit is still an ACME CA.
  if (answer.status >= 500 || answer.status === 429) {
    throw refusalError({
      what: `CA "${issuer}" did not return its directory`,
      url: directory,
      status: answer.status,
      headers: answer.headers,
      body,
      now: now(),
    });
  }
  const parsed = directorySchema.safeParse(body);
  if (answer.status === 200 && parsed.success) return parsed.data;
  const wrong =
    parsed.error === undefined ? "it cannot be read" : body === null ? notJson(answer) : wrongMember(parsed.error);
  const seen = answer.status === 200 ? wrong : `status ${answer.status}`;
  throw new RenewalError(
    "acme.directory",
    `${sanitize(directory, TEXT_CHARACTERS_MAX)} does not answer with an ACME directory (RFC 8555 §7.1.1): ` +
      `${seen}. If it repeats, correct \`directory\` of issuer "${issuer}".`,
  );
}

/** What answers in place of a CA is most often a web server or a proxy with a page of its own. */
function notJson({ headers }: Answer): string {
  const type = headers["content-type"];
  return `the answer is ${type === undefined ? "no JSON" : `${sanitize(type, 100)}, not JSON`}`;
}

/** A byte order mark is no JSON, but a reader may ignore it (RFC 8259 §8.1). */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text.replace(/^\uFEFF/, ""));
  } catch {
    return null;
  }
}
