import { randomBytes, randomUUID } from "node:crypto";
import { link, open, stat, unlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { RenewalError } from "../../domain/errors.ts";
import { ownerFault, processUser } from "../../domain/ownership.ts";

const TOKEN_BYTES = 32;
const FILE_BYTES_MAX = 256;
const TOKEN = /^[\x21-\x7e]{20,200}$/;

/** Where the first token is. */
export function tokenFile(dataDir: string): string {
  return join(dataDir, "api.token");
}

/**
 * The token of the file, read again whenever the file changes: writing another token into it withdraws the one before.
 * Throws `web.files` for a file that others may read.
 */
export function tokenReader(file: string): () => Promise<string | null> {
  let known: { readonly changed: string; readonly token: string | null } | null = null;
  return async () => {
    const found = await stat(file).catch(() => null);
    if (found === null) return null;
    const changed = `${found.ino} ${found.mtimeMs} ${found.size}`;
    if (known?.changed !== changed) known = { changed, token: await readToken(file) };
    return known.token;
  };
}

/** Creates the file on first use. Processes that start at once all get the same token. */
export async function ensureToken(file: string): Promise<void> {
  if ((await readToken(file)) !== null) return;
  const temporary = join(dirname(file), `.${basename(file)}.${randomUUID()}`);
  const handle = await open(temporary, "wx", 0o600);
  try {
    await handle.writeFile(`renewd_${randomBytes(TOKEN_BYTES).toString("base64url")}\n`);
    await handle.sync();
  } finally {
    await handle.close();
  }
  try {
    // Unlike rename it fails when another process was faster: there is one token.
    await link(temporary, file);
  } catch (thrown) {
    if (!(thrown instanceof Error && "code" in thrown && thrown.code === "EEXIST")) throw thrown;
  } finally {
    await unlink(temporary);
  }
}

/** null: there is no file, or it is empty, so that no token is valid. */
async function readToken(file: string): Promise<string | null> {
  const handle = await open(file, "r").catch((thrown: unknown) => {
    if (thrown instanceof Error && "code" in thrown && thrown.code === "ENOENT") return null;
    throw thrown;
  });
  if (handle === null) return null;
  try {
    const found = await handle.stat();
    const user = processUser();
    const fault = user && ownerFault(file, found, user);
    if (fault !== null) throw new RenewalError("web.files", `API token ${fault}`);
    if ((found.mode & 0o077) !== 0)
      throw new RenewalError("web.files", `the API token ${file} can be read by other users; run: chmod 600 ${file}`);
    const { buffer, bytesRead } = await handle.read(Buffer.alloc(FILE_BYTES_MAX), 0, FILE_BYTES_MAX, 0);
    const token = buffer.toString("latin1", 0, bytesRead).trim();
    return TOKEN.test(token) ? token : null;
  } finally {
    await handle.close();
  }
}
