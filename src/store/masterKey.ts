import { randomBytes, randomUUID } from "node:crypto";
import { link, mkdir, open, unlink } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { RenewalError } from "../domain/errors.ts";
import { ownerFault, processUser, quoted } from "../domain/ownership.ts";
import { unreachable } from "./presence.ts";

export const MASTER_KEY_BYTES = 32;
/** base64 of 32 bytes is 44 characters; anything much longer is some other file. */
const FILE_BYTES_MAX = 256;
/** What opening a file fails with that may well be there. */
const UNREACHABLE = ["EACCES", "EPERM", "ELOOP"] as const;

/** Reads the master key; creates the file on first use. Processes that start at once all get the same key. */
export function masterKeyFromFile(path: string): Promise<Buffer> {
  return explained(path, async (file) => (await readKey(file)) ?? (await createKey(file).catch(notCreated(file))));
}

/** The first thing that is written below `dataDir`: who may not write there, or a disk without room, is found here. */
function notCreated(file: string): (thrown: unknown) => never {
  return (thrown) => {
    const is = (...codes: readonly string[]): boolean => codes.some((code) => hasCode(thrown, code));
    if (!is("EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT")) throw thrown;
    const code = is("ENOSPC", "EDQUOT") ? "store.full" : "store.forbidden";
    const why = thrown instanceof Error ? thrown.message.split(",", 1)[0] : "";
    throw new RenewalError(code, `master key ${file}: cannot be created in ${dirname(file)}: ${why}`, {
      cause: thrown,
    });
  };
}

/** Null when there is no file. */
export function existingMasterKey(path: string): Promise<Buffer | null> {
  return explained(path, readKey);
}

async function explained<Key>(path: string, work: (file: string) => Promise<Key>): Promise<Key> {
  const file = resolve(path);
  try {
    return await work(file);
  } catch (thrown) {
    if (thrown instanceof RenewalError) throw thrown;
    if (UNREACHABLE.some((code) => hasCode(thrown, code))) throw unreachable(file, "master key ", thrown);
    const message = thrown instanceof Error ? thrown.message : String(thrown);
    throw new RenewalError("config.secret", `master key ${file}: ${message}`, { cause: thrown });
  }
}

export function masterKeyFromText(text: string, where: string): Buffer {
  const trimmed = text.trim();
  const key = Buffer.from(trimmed, "base64");
  // Node skips what is not base64; only a text that reads back the same was meant as a key.
  if (key.length !== MASTER_KEY_BYTES || key.toString("base64") !== trimmed) {
    throw new RenewalError(
      "config.secret",
      `${where} is not ${MASTER_KEY_BYTES} bytes in base64; put back your copy of it, or for a new installation make one ` +
        `with: openssl rand -base64 ${MASTER_KEY_BYTES}`,
    );
  }
  return key;
}

/** Null when there is no file yet. */
async function readKey(file: string): Promise<Buffer | null> {
  const handle = await open(file, "r").catch((thrown: unknown) => {
    if (hasCode(thrown, "ENOENT")) return null;
    throw thrown;
  });
  if (handle === null) return null;
  try {
    const found = await handle.stat();
    const { mode } = found;
    const user = processUser();
    const foreign = user && ownerFault(file, found, user);
    if (foreign !== null) throw new RenewalError("store.exposed", `master key ${foreign}`);
    if ((mode & 0o077) !== 0) {
      const shown = (mode & 0o777).toString(8).padStart(4, "0");
      throw new RenewalError(
        "store.exposed",
        `master key ${file} can be read by other users (mode ${shown}); run: chmod 600 ${quoted(file)}`,
      );
    }
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(FILE_BYTES_MAX), 0, FILE_BYTES_MAX, 0);
    return masterKeyFromText(buffer.toString("latin1", 0, bytesRead), `master key ${file}`);
  } finally {
    await handle.close();
  }
}

/**
 * The key is written and synced under a draft name, then linked. `link` fails when the name exists: the first process
 * wins, no process reads half a key, and the key is on disk before anything is sealed with it.
 */
async function createKey(file: string): Promise<Buffer> {
  const directory = dirname(file);
  await mkdir(directory, { recursive: true, mode: 0o700 });
  const draft = join(directory, `.${basename(file)}.${randomUUID()}`);
  const handle = await open(draft, "wx", 0o600);
  try {
    await handle.writeFile(`${randomBytes(MASTER_KEY_BYTES).toString("base64")}\n`);
    await handle.sync();
    await link(draft, file).catch((thrown: unknown) => {
      if (!hasCode(thrown, "EEXIST")) throw thrown;
    });
  } finally {
    await handle.close();
    await unlink(draft);
  }
  await syncDirectory(directory);
  const key = await readKey(file);
  if (key === null) throw new RenewalError("config.secret", `master key ${file} vanished while it was created`);
  return key;
}

async function syncDirectory(directory: string): Promise<void> {
  const handle = await open(directory, "r");
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}

function hasCode(thrown: unknown, code: string): boolean {
  return thrown instanceof Error && "code" in thrown && thrown.code === code;
}
