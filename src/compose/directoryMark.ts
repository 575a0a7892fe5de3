import { readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { ProcessProblem } from "../domain/heartbeat.ts";
import { sanitize } from "../domain/text.ts";
import { workerName } from "../domain/workerName.ts";

type Found = Pick<ProcessProblem, "message" | "action">;

/** Named after the installation, and written at every beat of each of its processes. */
const MARK = /^installation-([\w-]{1,64})$/;
/** A mark that is older than ours by this is of one that runs no more. */
const FRESH_MS = 45_000;
const WHO_CHARACTERS_MAX = 200;

export interface DirectoryMark {
  /** Marks the directory; what another installation in it means, or null. */
  check(): Promise<Found | null>;
  close(): Promise<void>;
}

/**
 * Two installations with databases of their own in one data directory share master key, token and private Redis: each
 * takes the other's jobs. Only the directory shows it.
 */
export function directoryMark(dataDir: string, installation: string, configFile: string): DirectoryMark {
  const own = join(dataDir, `installation-${installation}`);
  return {
    async check() {
      await writeFile(own, `${workerName()} with ${configFile}\n`, { mode: 0o600 });
      // Both are this file system's times: no clock of a machine is compared with another.
      const now = (await stat(own)).mtimeMs;
      const names = (await readdir(dataDir)).filter((name) => MARK.test(name) && join(dataDir, name) !== own);
      for (const name of names) {
        const file = join(dataDir, name);
        const at = (await stat(file).catch(() => null))?.mtimeMs ?? 0;
        if (now - at < FRESH_MS) return sharedBy(await readFile(file, "utf8").catch(() => ""), dataDir);
        await rm(file, { force: true });
      }
      return null;
    },
    close: () => rm(own, { force: true }),
  };
}

function sharedBy(who: string, dataDir: string): Found {
  const name = sanitize(who, WHO_CHARACTERS_MAX);
  return {
    message:
      `another installation${name === "" ? "" : ` (${name})`} uses the data directory ${dataDir} as well, with another ` +
      "database: both use its master key, token and private Redis, so each takes the other's jobs",
    action: "Stop the one that does not belong here, or give it another `dataDir`.",
  };
}
