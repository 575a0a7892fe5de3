import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

/** sun_path of unix(7): 108 bytes with its final NUL. */
const SOCKET_PATH_BYTES_MAX = 107;

/**
 * Where a socket that does not fit the directory really is: other processes may have another TMPDIR (systemd's
 * PrivateTmp).
 */
export function locationFile(directory: string): string {
  return join(directory, "redis.sock.location");
}

/** The socket of the private Redis of `directory`, whether or not one runs. */
export function privateRedisSocket(directory: string): string {
  const preferred = join(resolve(directory), "redis.sock");
  if (Buffer.byteLength(preferred) <= SOCKET_PATH_BYTES_MAX) return preferred;
  try {
    return readFileSync(locationFile(directory), "utf8").trim();
  } catch {
    // Not started yet: this is where it will be.
    const digest = createHash("sha256").update(resolve(directory)).digest("hex").slice(0, 16);
    return join(tmpdir(), `renewd-${digest}`, "redis.sock");
  }
}
