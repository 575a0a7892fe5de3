import { RenewalError } from "../../domain/errors.ts";
import { modeOf, type OwnerOptions, type Ownership } from "../local/owner.ts";
import type { Sftp } from "./sftp.ts";

const DATABASE_BYTES_MAX = 1024 * 1024;

/** As `ownershipOf`, on another machine: SFTP knows numbers only. Throws `deploy.refused` for a name without one. */
export async function remoteOwnership(
  sftp: Sftp,
  { owner, group, mode, adopt }: OwnerOptions,
  signal: AbortSignal,
): Promise<Ownership> {
  const keyMode = modeOf({ mode });
  return {
    ...(owner !== undefined && { uid: await numericId(sftp, "/etc/passwd", owner, signal) }),
    ...(group !== undefined && { gid: await numericId(sftp, "/etc/group", group, signal) }),
    ...(keyMode !== undefined && { mode: keyMode }),
    ...(adopt === true && { adopt }),
  };
}

async function numericId(sftp: Sftp, database: string, name: string, signal: AbortSignal): Promise<number> {
  if (/^\d{1,10}$/.test(name)) return Number(name);
  const text = (await sftp.read(database, DATABASE_BYTES_MAX, signal))?.toString("utf8") ?? "";
  const id = text
    .split("\n")
    .map((line) => line.split(":"))
    .find(([held]) => held === name)?.[2];
  if (id !== undefined && /^\d{1,10}$/.test(id)) return Number(id);
  throw new RenewalError("deploy.refused", `the target's ${database} has no ${name}: give its number instead`);
}
