import { readFile, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import type { Secret } from "../../domain/secret.ts";
import { sanitize } from "../../domain/text.ts";
import { stageFiles } from "../local/atomicFiles.ts";
import { openDirectory } from "../local/directory.ts";
import { lockDirectory } from "../local/directoryLock.ts";
import { haproxyCommand, type RuntimeAddress, succeeded } from "./runtime.ts";
import { refused } from "./update.ts";

export interface Listing {
  /** HAProxy's own name for the certificate's file. */
  readonly name: string;
  /** The crt-list or `crt` directory to add it to; null: the file's own directory. */
  readonly list: string | null;
  /** Where the list is on this machine; null: as `list`. */
  readonly listFile: string | null;
  /** What follows the file on its line. */
  readonly entry: string | undefined;
  /** Whether a bind serves it already. */
  readonly used: boolean;
  /** What HAProxy holds in memory now and may repeat in its answer. */
  readonly secret: Secret;
}

/**
 * HAProxy serves a new certificate once the crt-list or `crt` directory of a bind names it. The line goes into memory
 * first, where HAProxy checks it, and then into the list's file, or the next reload would forget it. A bad line in the
 * file would make that reload fail. If this process dies in between, the next attempt finds the line in memory and
 * writes the file.
 */
export async function listCertificate(address: RuntimeAddress, listing: Listing, signal: AbortSignal): Promise<void> {
  const { list, listFile, used } = listing;
  const written = used ? await writtenIn(address, listing, signal) : await requireList(address, listing, signal);
  if (!used && written !== null) await addToList(address, { listing, written }, signal);
  if (list !== null && written !== null) await appendToFile(listFile ?? list, { listing, written }, signal);
}

/** How a line of a list writes the file's name. */
interface WrittenName {
  readonly name: string;
  /** Other ways to write it, for lines that are there. */
  readonly others: readonly string[];
}

function lineFor({ entry }: Listing, { name }: WrittenName): string {
  return entry === undefined || entry === "" ? name : `${name} ${entry}`;
}

/** No file has this name, so HAProxy refuses to add it, and says what it looked for. */
const NO_FILE = "renewd-no-such-file.pem";

function probe(list: string): string {
  return `add ssl crt-list ${list} ${NO_FILE}`;
}

/**
 * HAProxy puts `crt-base` before each relative name in a list, but shows and takes full names elsewhere. A line with
 * the full relative name would name no file, and HAProxy's next start would fail. Throws `deploy.refused` for a
 * relative name outside `crt-base`. `answer`: to the probe.
 */
function writtenName(name: string, answer: string): WrittenName {
  const base = new RegExp(`certificate '(.+/)${NO_FILE}' does not exist`).exec(answer)?.[1] ?? "";
  const short = base !== "" && name.startsWith(base) ? name.slice(base.length) : null;
  if (name.startsWith("/")) return { name, others: short === null ? [] : [short] };
  if (short !== null) return { name: short, others: [] };
  if (base === "") return { name, others: [] };
  throw new RenewalError(
    "deploy.refused",
    `HAProxy's \`crt-base\` is ${sanitize(base, 200)}, and it knows files by names that begin with it: set \`knownAs\` to ` +
      `the full name, such as ${sanitize(base, 200)}${name}, as \`show ssl cert\` prints it`,
  );
}

/**
 * Throws `deploy.refused` when no bind uses the list, or the directory, that would make HAProxy serve the file. Returns
 * how a line of it writes the file's name.
 */
export async function requireList(
  address: RuntimeAddress,
  { name, list }: Pick<Listing, "name" | "list">,
  signal: AbortSignal,
): Promise<WrittenName> {
  const wanted = list ?? dirname(name);
  const answer = await haproxyCommand(address, `show ssl crt-list;${probe(wanted)}\n`, signal);
  if (answer.split("\n").includes(wanted)) return writtenName(name, answer);
  throw new RenewalError(
    "deploy.refused",
    `HAProxy does not serve ${name} yet. Once the file is in place, let a bind's \`crt\` name the directory ` +
      `${dirname(name)} (or the file) and reload HAProxy once` +
      (list === null ? ", or set `crtList` to the crt-list a bind uses" : `; no bind uses the crtList ${list}`),
  );
}

async function addToList(
  address: RuntimeAddress,
  { listing, written }: { readonly listing: Listing; readonly written: WrittenName },
  signal: AbortSignal,
): Promise<void> {
  const list = listing.list ?? dirname(listing.name);
  // HAProxy takes options and filters only as a payload, which ends at a blank line (management guide §9.3).
  const command =
    listing.list === null
      ? `add ssl crt-list ${list} ${written.name}\n`
      : `add ssl crt-list ${list} <<\n${lineFor(listing, written)}\n\n`;
  const answer = await haproxyCommand(address, command, signal);
  if (!succeeded(answer)) throw refused({ name: listing.name, answer, secret: listing.secret });
}

/**
 * How the list writes the file's name; null: the list in memory does not name the file. A bind may serve the file
 * although this list does not name it.
 */
async function writtenIn(
  address: RuntimeAddress,
  { list, name }: Pick<Listing, "name" | "list">,
  signal: AbortSignal,
): Promise<WrittenName | null> {
  if (list === null) return null;
  const answer = await haproxyCommand(address, `show ssl crt-list ${list};${probe(list)}\n`, signal);
  return answer.split("\n").some((line) => fileOf(line) === name) ? writtenName(name, answer) : null;
}

async function appendToFile(
  list: string,
  { listing, written }: { readonly listing: Listing; readonly written: WrittenName },
  signal: AbortSignal,
): Promise<void> {
  const kind = await stat(list).catch(() => null);
  // A directory needs no line. A list that is not here belongs to another container.
  if (kind === null || !kind.isFile()) return;
  await using directory = await openDirectory(dirname(list), dirname(list));
  // Other targets may write to the same list. The lock is the list's own: a caller holds the lock of its own directory,
  // and two callers that each waited for the other's directory would wait without end.
  using _lock = await lockDirectory(directory, signal, { name: `.${basename(list)}.renewd.lock` });
  const content = await readFile(directory.at(basename(list)), "utf8");
  const names = [written.name, ...written.others];
  if (content.split("\n").some((line) => names.includes(fileOf(line) ?? ""))) return;
  const appended = `${content}${content === "" || content.endsWith("\n") ? "" : "\n"}${lineFor(listing, written)}\n`;
  await using staged = await stageFiles(
    [{ path: list, root: dirname(list), content: appended, secret: false }],
    signal,
  );
  await staged.swap();
}

function fileOf(line: string): string | undefined {
  return line.trim().split(/\s+/)[0];
}
