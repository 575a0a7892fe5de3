import { sanitize } from "../../domain/text.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import { COMMAND_SAFE, haproxyCommand, type RuntimeAddress } from "./runtime.ts";

/** Files that one deploy looks into. */
const FILES_MAX = 200;
const FILES_AT_ONCE = 20;
const SHOWN_MAX = 3;
const TEXT_MAX = 300;

interface Loaded {
  /** HAProxy's own name for the certificate's file. */
  readonly name: string;
  readonly pair: IssuedCertificate;
}

/**
 * Other files that a bind of this HAProxy serves for a name of the pair, one sentence each: HAProxy prefers the file
 * that it loaded first, so clients may go on to get an old certificate from a file that nobody renews. Empty when
 * HAProxy does not answer: the pair is in place already.
 */
export async function rivals(address: RuntimeAddress, { name, pair }: Loaded, signal: AbortSignal): Promise<string[]> {
  try {
    const others = (await haproxyCommand(address, "show ssl cert\n", signal))
      .split("\n")
      .filter((line) => line !== name && COMMAND_SAFE.test(line))
      .slice(0, FILES_MAX);
    const names = new Set(pair.leaf.identifiers.map(({ value }) => value.toLowerCase()));
    const found: string[] = [];
    for (let at = 0; at < others.length; at += FILES_AT_ONCE) {
      const commands = others.slice(at, at + FILES_AT_ONCE).map((file) => `show ssl cert ${file}`);
      const answer = await haproxyCommand(address, `${commands.join(";")}\n`, signal);
      found.push(...answer.split(/^(?=Filename: )/m).flatMap((text) => rivalIn(text, names)));
    }
    return found.slice(0, SHOWN_MAX);
  } catch {
    signal.throwIfAborted();
    return [];
  }
}

function rivalIn(text: string, names: ReadonlySet<string>): string[] {
  const value = (field: string): string => new RegExp(`^${field}: (.*)$`, "m").exec(text)?.[1] ?? "";
  const held = [...value("Subject Alternative Name").matchAll(/DNS:([^\s,]+)/g)].map(([, dns = ""]) =>
    dns.toLowerCase(),
  );
  const shared = held.find((one) => names.has(one));
  if (shared === undefined || value("Status") !== "Used") return [];
  const [file, serial] = [value("Filename"), value("Serial")];
  const what = `HAProxy also serves ${file} (serial ${serial}) for ${shared} and may prefer it: remove one of the two`;
  return [sanitize(what, TEXT_MAX)];
}
