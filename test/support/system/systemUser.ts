import { readFile } from "node:fs/promises";
import type { SystemUser } from "../pairs/pairDirectory.ts";

/** A user that a Debian package brought. */
export async function systemUser(name: string): Promise<SystemUser> {
  const line = (await readFile("/etc/passwd", "utf8")).split("\n").find((entry) => entry.startsWith(`${name}:`));
  const [, , uid, gid] = line?.split(":") ?? [];
  if (uid === undefined || gid === undefined)
    throw new Error(`there is no user ${name} here: run scripts/bootstrap.sh test`);
  return { uid: Number(uid), gid: Number(gid) };
}
