import { raceAbort } from "../../domain/abort.ts";
import { sanitize } from "../../domain/text.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import { keptReading, sharedReading } from "../../process/sharedReading.ts";
import { COMMAND_SAFE, haproxyCommand, type RuntimeAddress } from "./runtime.ts";

/** Files that one reading looks into. */
const FILES_MAX = 200;
/** One line of commands must fit into HAProxy's `tune.bufsize`, 16 KiB by default, with paths of 255 bytes. */
const FILES_AT_ONCE = 40;
const SHOWN_MAX = 3;
const TEXT_MAX = 300;
/** People change what other files HAProxy serves, and not from one deployment to the next. */
const KEPT_MS = 1_000;
/** Each command has its own limit. */
const NEVER: AbortSignal = new AbortController().signal;

export interface Loaded {
  /** HAProxy's own name for the certificate's file. */
  readonly name: string;
  readonly pair: IssuedCertificate;
}

interface ServedFile {
  readonly file: string;
  readonly serial: string;
  readonly order: number;
}

interface Reading {
  /** All that HAProxy has. */
  readonly files: ReadonlySet<string>;
  /** By the DNS names of their certificates. */
  readonly served: ReadonlyMap<string, readonly ServedFile[]>;
}

/**
 * Other files that a bind of this HAProxy serves for a name of the pair, one sentence each: HAProxy prefers the file
 * that it loaded first, so clients may go on to get an old certificate from a file that nobody renews. Empty when
 * HAProxy does not answer: the pair is in place already.
 *
 * Looking costs HAProxy as much as it has certificates, so the deployments of a second share one look. `now`: ms of a
 * clock that is never set back.
 */
export function createRivals(
  address: RuntimeAddress,
  now?: () => number,
): (loaded: Loaded, signal: AbortSignal) => Promise<string[]> {
  const read = (): Promise<Reading> => servedFiles(address);
  const recent = keptReading(KEPT_MS, read, now);
  const afterwards = sharedReading(read);
  return async ({ name, pair }, signal) => {
    let reading = await raceAbort(signal, recent).catch(() => null);
    // Taken before this file was added, it may lack others that were added meanwhile: of two, the later one sees both.
    if (reading?.files.has(name) === false) reading = await raceAbort(signal, afterwards).catch(() => null);
    signal.throwIfAborted();
    const names = new Set(pair.leaf.identifiers.map(({ value }) => value.toLowerCase()));
    const found = new Map<string, ServedFile & { readonly shared: string }>();
    for (const shared of names) {
      for (const one of reading?.served.get(shared) ?? [])
        if (one.file !== name) found.set(one.file, { ...one, shared });
    }
    return [...found.values()]
      .sort((a, b) => a.order - b.order)
      .slice(0, SHOWN_MAX)
      .map(({ file, serial, shared }) =>
        sanitize(
          `HAProxy also serves ${file} (serial ${serial}) for ${shared} and may prefer it: remove one of the two`,
          TEXT_MAX,
        ),
      );
  };
}

async function servedFiles(address: RuntimeAddress): Promise<Reading> {
  const lines = (await haproxyCommand(address, "show ssl cert\n", NEVER)).split("\n");
  const files = lines.filter((line) => COMMAND_SAFE.test(line)).slice(0, FILES_MAX);
  const served = new Map<string, ServedFile[]>();
  for (let at = 0; at < files.length; at += FILES_AT_ONCE) {
    const commands = files.slice(at, at + FILES_AT_ONCE).map((file) => `show ssl cert ${file}`);
    const answer = await haproxyCommand(address, `${commands.join(";")}\n`, NEVER);
    for (const [index, text] of answer.split(/^(?=Filename: )/m).entries()) add(served, text, at + index);
  }
  return { files: new Set(lines), served };
}

function add(served: Map<string, ServedFile[]>, text: string, order: number): void {
  const file = /^Filename: (.*)$/m.exec(text)?.[1];
  if (file === undefined || !/^Status: Used$/m.test(text)) return;
  const serial = /^Serial: (.*)$/m.exec(text)?.[1] ?? "";
  const names = /^Subject Alternative Name: (.*)$/m.exec(text)?.[1] ?? "";
  for (const [, dns = ""] of names.matchAll(/DNS:([^\s,]+)/g)) {
    const name = dns.toLowerCase();
    const others = served.get(name);
    if (others === undefined) served.set(name, [{ file, serial, order }]);
    else others.push({ file, serial, order });
  }
}
