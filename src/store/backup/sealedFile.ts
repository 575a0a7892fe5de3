import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import { Secret } from "../../domain/secret.ts";
import { recordIdentity, type Vault } from "../vault.ts";

/**
 * A file encrypted under its own key, which the vault wraps: a line `renewd-backup:1 {header}`, then IV, ciphertext and
 * tag of AES-256-GCM with that line as additional data. The header says what opening needs; nothing about the contents.
 */
const MAGIC = "renewd-backup:1 ";
const HEADER_BYTES_MAX = 4_096;
const KEY_BYTES = 32;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const CHUNK_BYTES = 1_048_576;

export interface SealedHeader {
  /** ms since epoch. */
  readonly createdAt: number;
  readonly schemaVersion: number;
}

const headerJson = z.object({
  createdAt: z.int().nonnegative(),
  schemaVersion: z.int().positive(),
  keyId: z.string(),
  key: z.string(),
});

/** Reads `from`, writes `to`. */
interface SealedCopy {
  readonly from: string;
  /** Must not exist yet. */
  readonly to: string;
}

/** Writes `to`, readable by its owner alone and synced. Returns its size in bytes. */
export async function sealFile(
  { from, to }: SealedCopy,
  header: SealedHeader,
  vault: Vault,
  signal: AbortSignal,
): Promise<number> {
  const dataKey = randomBytes(KEY_BYTES);
  const key = vault.seal(identityOf(header), new Secret(dataKey.toString("base64")));
  const line = Buffer.from(`${MAGIC}${JSON.stringify({ ...header, keyId: vault.keyId, key })}\n`);
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv("aes-256-gcm", dataKey, iv, { authTagLength: TAG_BYTES }).setAAD(line);
  await using source = await open(from);
  await using target = await open(to, "wx", 0o600);
  await target.writeFile(Buffer.concat([line, iv]));
  for await (const chunk of chunks(source, 0, (await source.stat()).size, signal))
    await target.writeFile(cipher.update(chunk));
  await target.writeFile(Buffer.concat([cipher.final(), cipher.getAuthTag()]));
  await target.sync();
  return (await target.stat()).size;
}

/**
 * Writes the contents to `to`. They are whole and unaltered only once this has resolved: remove `to` otherwise.
 * Throws `backup.damaged`, or `store.sealed` when another master key sealed the file.
 */
export async function unsealFile({ from, to }: SealedCopy, vault: Vault, signal: AbortSignal): Promise<SealedHeader> {
  await using source = await open(from);
  const { size } = await source.stat();
  const { line, header, dataKey } = await readHeader(source, from, vault);
  const start = line.length + IV_BYTES;
  const end = size - TAG_BYTES;
  if (end < start) throw damaged(from);
  const decipher = createDecipheriv("aes-256-gcm", dataKey, await bytesAt(source, line.length, IV_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(line).setAuthTag(await bytesAt(source, end, TAG_BYTES));
  await using target = await open(to, "wx", 0o600);
  for await (const chunk of chunks(source, start, end, signal)) await target.writeFile(decipher.update(chunk));
  try {
    await target.writeFile(decipher.final());
  } catch (cause) {
    throw damaged(from, cause);
  }
  return header;
}

async function readHeader(
  source: FileHandle,
  from: string,
  vault: Vault,
): Promise<{ line: Buffer; header: SealedHeader; dataKey: Buffer }> {
  const beginning = await bytesAt(source, 0, HEADER_BYTES_MAX);
  const end = beginning.indexOf("\n");
  const line = beginning.subarray(0, end + 1);
  if (!line.toString("latin1").startsWith(MAGIC)) {
    const newer = /^renewd-backup:\d+ /.test(line.toString("latin1"));
    const why = newer
      ? "it was written by a newer renewd; upgrade this one"
      : "it is not a backup made by `renewd backup`, or its beginning is missing";
    throw new RenewalError("backup.damaged", `${from}: ${why}`);
  }
  const { keyId, key, ...header } = parseHeader(line.toString("utf8").slice(MAGIC.length), from);
  if (keyId !== vault.keyId) {
    throw new RenewalError(
      "store.sealed",
      `${from}: was sealed under the master key with id ${keyId}; the configured one has id ${vault.keyId}`,
    );
  }
  try {
    return { line, header, dataKey: Buffer.from(vault.open(identityOf(header), key).reveal(), "base64") };
  } catch (cause) {
    throw damaged(from, cause);
  }
}

function parseHeader(text: string, from: string): z.infer<typeof headerJson> {
  try {
    return headerJson.parse(JSON.parse(text));
  } catch (cause) {
    throw damaged(from, cause);
  }
}

function damaged(from: string, cause?: unknown): RenewalError {
  return new RenewalError("backup.damaged", `${from}: is cut short or was altered`, { cause });
}

function identityOf({ createdAt, schemaVersion }: SealedHeader): string {
  return recordIdentity("backup", createdAt, schemaVersion);
}

/** Fewer where the file ends. */
async function bytesAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const { buffer, bytesRead } = await file.read(Buffer.alloc(length), 0, length, position);
  return buffer.subarray(0, bytesRead);
}

async function* chunks(file: FileHandle, start: number, end: number, signal: AbortSignal): AsyncGenerator<Buffer> {
  for (let position = start; position < end; ) {
    signal.throwIfAborted();
    const chunk = await bytesAt(file, position, Math.min(CHUNK_BYTES, end - position));
    // It shrinks while we read: what is missing fails the tag.
    if (chunk.length === 0) return;
    position += chunk.length;
    yield chunk;
  }
}
