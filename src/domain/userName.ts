import { readFileSync } from "node:fs";

/** A user of this machine as people know it: its name, or its number where it has none here. */
export interface ShownUser {
  readonly name: string;
  /** For `sudo -u` in a shell. */
  readonly sudo: string;
}

export function shownUser(uid: number, passwd = "/etc/passwd"): ShownUser {
  const row = rows(passwd).find(([, , id]) => id === String(uid));
  const name = row?.[0] ?? "";
  return /^[\w.-]+$/.test(name) ? { name, sudo: name } : { name: String(uid), sudo: `'#${uid}'` };
}

export function userExists(name: string, passwd = "/etc/passwd"): boolean {
  return rows(passwd).some(([each]) => each === name);
}

function rows(passwd: string): string[][] {
  try {
    return readFileSync(passwd, "utf8")
      .split("\n")
      .map((line) => line.split(":"));
  } catch {
    // Users may come from elsewhere.
    return [];
  }
}
