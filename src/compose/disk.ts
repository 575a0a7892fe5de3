import { statfs } from "node:fs/promises";
import { dirname } from "node:path";

/** Less than this and the database can soon not be written any more. */
const FREE_BYTES_MIN = 16 * 1024 * 1024;

/** A directory whose file system is full; null: none is, or it cannot be asked. */
export async function fullDisk(directories: readonly string[]): Promise<{ directory: string; message: string } | null> {
  for (const directory of new Set(directories)) {
    const free = await freeSpace(directory);
    if (free === null) continue;
    if (free.bytes < FREE_BYTES_MIN) {
      const left = `${Math.floor(free.bytes / 1024 / 1024)} MiB`;
      return { directory, message: `the disk of ${directory} is full: only ${left} are left` };
    }
    if (free.inodes === 0) return { directory, message: `the disk of ${directory} has no free inodes` };
  }
  return null;
}

/** What is left where a directory is, or will be; null: it cannot be asked. */
export async function roomLeft(directory: string): Promise<{ readonly bytes: number; readonly part: number } | null> {
  const free = await freeSpace(directory);
  return free && { bytes: free.bytes, part: free.part };
}

/** Of the directory, or of the nearest one above it that exists. */
async function freeSpace(directory: string): Promise<{ bytes: number; part: number; inodes: number | null } | null> {
  try {
    const { bavail, bsize, blocks, files, ffree } = await statfs(directory);
    // One without blocks, such as the kernel's own, has no room to run out of.
    if (blocks === 0) return null;
    // Some file systems count no inodes.
    return { bytes: bavail * bsize, part: bavail / blocks, inodes: files === 0 ? null : ffree };
  } catch {
    return dirname(directory) === directory ? null : freeSpace(dirname(directory));
  }
}
