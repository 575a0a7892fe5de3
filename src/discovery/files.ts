import { constants } from "node:fs";
import { lstat, open, opendir, stat } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import type { DiscoveryReport, DiscoverySource } from "../domain/discovery.ts";
import type { FoundTarget } from "../domain/inventory.ts";
import type { Secret } from "../domain/secret.ts";
import { sanitize } from "../domain/text.ts";
import { readFileCertificates } from "./fileContents.ts";

const DEPTH_MAX = 12;
/** Names looked at below all paths together. */
const NAMES_MAX = 500_000;
const FILES_MAX = 50_000;
/** A bundle of all public roots has 0.3 MB. */
const FILE_BYTES_MAX = 4 * 1_048_576;
const PATH_MAX = 300;
const LIKELY = /\.(?:pem|crt|cer|cert|der|p12|pfx|jks|jceks|keystore|truststore|ks|bundle)$/i;

export interface FilesOptions {
  /** Absolute paths of files and directories. */
  readonly paths: readonly string[];
  /** Of PKCS#12 files; none is tried before them. */
  readonly passwords: () => Promise<readonly Secret[]>;
}

/**
 * Certificates in files: PEM, DER, PKCS#12, Java key stores. In a directory, files whose name ends as such files' names
 * do, at any depth; symbolic links to directories are not followed, so no loop can be. Keys are never looked at.
 */
export function filesSource({ paths, passwords }: FilesOptions): DiscoverySource {
  return {
    name: "files",
    async look(report, signal) {
      const secrets = await passwords();
      const walk = { names: 0, files: 0 };
      for (const path of paths)
        for await (const file of filesBelow(path, walk, report, signal)) {
          walk.files += 1;
          if (walk.files > FILES_MAX) return report.problem(`more than ${FILES_MAX} files: the rest was not read`);
          await readOne(file, secrets, report, signal);
        }
    },
  };
}

interface Walk {
  names: number;
  files: number;
}

async function* filesBelow(
  path: string,
  walk: Walk,
  report: DiscoveryReport,
  signal: AbortSignal,
): AsyncGenerator<string> {
  // A path that somebody gave is followed, what lies below it is not.
  const found = await stat(path).catch((error: unknown) => {
    report.problem(`${path} cannot be read (${codeOf(error)})`);
    return null;
  });
  if (found === null) return;
  if (!found.isDirectory()) return yield path;
  const waiting = [{ directory: path, depth: 0 }];
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { directory, depth } = next;
    try {
      for await (const entry of await opendir(directory)) {
        signal.throwIfAborted();
        walk.names += 1;
        if (walk.names > NAMES_MAX) {
          report.problem(`more than ${NAMES_MAX} names below the paths: the rest was not looked at`);
          return;
        }
        const inside = join(directory, entry.name);
        if (entry.isDirectory()) {
          if (depth < DEPTH_MAX) waiting.push({ directory: inside, depth: depth + 1 });
          else report.problem(`${inside} is too deep, and was not looked into`);
        } else if ((entry.isFile() || entry.isSymbolicLink()) && LIKELY.test(entry.name)) yield inside;
      }
    } catch (error) {
      signal.throwIfAborted();
      report.problem(`${directory} cannot be read (${codeOf(error)})`);
    }
  }
}

async function readOne(
  path: string,
  passwords: readonly Secret[],
  report: DiscoveryReport,
  signal: AbortSignal,
): Promise<void> {
  try {
    const bytes = await boundedRead(path);
    if (bytes === null) return;
    const { certificates, hasKey, trouble } = await readFileCertificates(bytes, passwords, signal);
    if (trouble !== null) report.problem(`${path} ${trouble}`);
    const target = await targetOf(path, hasKey && certificates.length > 0);
    for (const certificate of certificates)
      report.found(certificate, { place: sanitize(path, PATH_MAX), endpoint: null, target });
  } catch (error) {
    signal.throwIfAborted();
    report.problem(`${path} cannot be read (${codeOf(error)})`);
  }
}

/** null: no plain file, as a pipe or a link to a directory, or too large. Never waits for a pipe's other end. */
async function boundedRead(path: string): Promise<Buffer | null> {
  await using file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const found = await file.stat();
  if (!found.isFile() || found.size === 0 || found.size > FILE_BYTES_MAX) return null;
  const { buffer, bytesRead } = await file.read(Buffer.alloc(found.size), 0, found.size, 0);
  return buffer.subarray(0, bytesRead);
}

/** A file with both, or one beside its key by the names that are usual. */
async function targetOf(path: string, isBundle: boolean): Promise<FoundTarget | null> {
  if (/[^\w./@+-]/.test(path)) return null;
  if (isBundle) return { type: "files", bundle: path };
  const name = basename(path);
  const keys = [name.replace(/\.[^.]+$/, ".key"), "privkey.pem", "key.pem", "tls.key"];
  for (const key of keys.slice(0, /^(?:fullchain|cert|certificate|tls)\./.test(name) ? keys.length : 1)) {
    const privkey = join(dirname(path), key);
    const isThere =
      key !== name &&
      (await lstat(privkey).then(
        (found) => found.isFile() || found.isSymbolicLink(),
        () => false,
      ));
    if (isThere) return { type: "files", fullchain: path, privkey };
  }
  return null;
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : "unknown reason";
}
