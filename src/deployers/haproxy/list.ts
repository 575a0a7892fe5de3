import { readFile, realpath, stat } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import { stageFiles } from "../local/atomicFiles.ts";
import { openDirectory } from "../local/directory.ts";
import { lockDirectory } from "../local/directoryLock.ts";
import { haproxyCommand, type RuntimeAddress } from "./runtime.ts";
import { refused } from "./update.ts";

export interface Listing {
  /** The certificate's file as HAProxy names it. */
  readonly name: string;
  /** The crt-list or `crt` directory that takes it; null: the file's own directory. */
  readonly list: string | null;
  /** What follows the file on its line. */
  readonly entry: string | undefined;
  /** Whether some bind serves it already. */
  readonly used: boolean;
  /** Directory whose lock the caller holds. */
  readonly root: string;
}

/**
 * A certificate new to HAProxy is served once a crt-list or `crt` directory of some bind names it. First in memory, where HAProxy
 * judges the line, then in the list's file, or the next reload would forget it; a line HAProxy cannot read would stop that reload.
 * Should we die in between, the next attempt finds the line in memory and writes the file.
 */
export async function listCertificate(address: RuntimeAddress, listing: Listing, signal: AbortSignal): Promise<void> {
  const { name, list, used } = listing;
  if (!used) {
    await requireList(address, listing, signal);
    await addToList(address, listing, signal);
  }
  if (list === null || (used && !(await holds(address, list, name, signal)))) return;
  await appendToFile(list, listing, signal);
}

function lineFor({ name, entry }: Listing): string {
  return entry === undefined || entry === "" ? name : `${name} ${entry}`;
}

async function requireList(address: RuntimeAddress, { name, list }: Listing, signal: AbortSignal): Promise<void> {
  const wanted = list ?? dirname(name);
  const lists = (await haproxyCommand(address, "show ssl crt-list\n", signal)).split("\n");
  if (lists.includes(wanted)) return;
  throw new RenewalError(
    "deploy.refused",
    `HAProxy does not serve ${name} yet. The file is in place: let a bind's \`crt\` name the directory ${dirname(name)} (or the file) and reload HAProxy once` +
      (list === null ? ", or set `crtList` to the crt-list a bind uses" : `; no bind uses the crtList ${list}`),
  );
}

async function addToList(address: RuntimeAddress, listing: Listing, signal: AbortSignal): Promise<void> {
  const list = listing.list ?? dirname(listing.name);
  // Options and filters go as a payload only (management guide §9.3), which ends at the blank line.
  const command =
    listing.list === null
      ? `add ssl crt-list ${list} ${listing.name}\n`
      : `add ssl crt-list ${list} <<\n${lineFor(listing)}\n\n`;
  const answer = await haproxyCommand(address, command, signal);
  if (!/^Success!$/m.test(answer)) throw refused(listing.name, answer);
}

/** Whether the list in memory names the file; a bind may serve it for another reason. */
async function holds(address: RuntimeAddress, list: string, name: string, signal: AbortSignal): Promise<boolean> {
  return (await haproxyCommand(address, `show ssl crt-list ${list}\n`, signal))
    .split("\n")
    .some((line) => fileOf(line) === name);
}

async function appendToFile(list: string, listing: Listing, signal: AbortSignal): Promise<void> {
  const kind = await stat(list).catch(() => null);
  // A directory lists itself; a list we cannot see is another container's.
  if (kind === null || !kind.isFile()) return;
  await using directory = await openDirectory(dirname(list), dirname(list));
  // Other targets may write to the same list; one lock is never taken twice.
  using _lock = directory.path === (await realpath(listing.root)) ? null : await lockDirectory(directory, signal);
  const content = await readFile(directory.at(basename(list)), "utf8");
  if (content.split("\n").some((line) => fileOf(line) === listing.name)) return;
  const appended = `${content}${content === "" || content.endsWith("\n") ? "" : "\n"}${lineFor(listing)}\n`;
  await using staged = await stageFiles(
    [{ path: list, root: dirname(list), content: appended, secret: false }],
    signal,
  );
  await staged.swap();
}

function fileOf(line: string): string | undefined {
  return line.trim().split(/\s+/)[0];
}
