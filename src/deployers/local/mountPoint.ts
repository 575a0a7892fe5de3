import { RenewalError } from "../../domain/errors.ts";
import { readProc } from "../../process/procFile.ts";

export interface PlacedFile {
  /** For people. */
  readonly path: string;
  /** Without links. */
  readonly real: string;
}

/**
 * The kernel replaces no file that is a mount point (EBUSY): a single file that was mounted into a container. Throws
 * `deploy.refused` before anything is written.
 */
export function refuseMountPoint({ path, real }: PlacedFile): void {
  // Without this file, which only Linux has, the swap fails and the previous files stay.
  const mounts = readProc("/proc/self/mountinfo");
  const isMountPoint = mounts.split("\n").some((line) => mountPointOf(line) === real);
  if (!isMountPoint) return;
  throw new RenewalError(
    "deploy.refused",
    `${path} is a mount point: a file that is mounted alone cannot be replaced; mount its directory instead`,
  );
}

/** Field 5 of proc_pid_mountinfo(5), where space, tab, newline and backslash are written in octal. */
function mountPointOf(line: string): string | undefined {
  return line
    .split(" ")[4]
    ?.replace(/\\([0-7]{3})/g, (_all, octal: string) => String.fromCharCode(Number.parseInt(octal, 8)));
}
