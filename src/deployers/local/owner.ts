import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import type { FileToTry } from "./atomicFiles.ts";
import type { Reader } from "./attributes.ts";
import { runCommand } from "./command.ts";

const LOOKUP_TIMEOUT_MS = 5_000;

const name = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/, "must be a name or a number");

const DEFAULT = "Default: as the file it replaces has it, else as the keys beside it, else as their directory.";

/** Options for a strict object. */
export const ownerOptions = {
  owner: name
    .optional()
    .describe(`User name or id that the files belong to. ${DEFAULT} Only root can give files to another user.`),
  group: name
    .optional()
    .describe(`Group name or id that the files belong to. ${DEFAULT} Other users than root must be members of it.`),
  mode: z
    .string()
    .regex(/^0?[0-7]{2}0$/, "give octal digits such as 0640; others may have no access to a private key")
    .optional()
    .describe(
      "Mode of the files that hold the private key, such as 0640. Default: as the file it replaces, with its ACL, else as " +
        "the keys beside it, else 0640 if `group`, or the group of the directory, is not renewd's own, else 0600. " +
        "Files without the key are 0644.",
    ),
  adopt: z
    .boolean()
    .default(false)
    .describe(
      "Whether a PEM file is overwritten whose content cannot be kept: renewd's user cannot read it, it holds several " +
        "private keys, or it holds no pair and renewd did not write it. Default: it is refused.",
    ),
};

export interface OwnerOptions {
  readonly owner?: string | undefined;
  readonly group?: string | undefined;
  readonly mode?: string | undefined;
  readonly adopt?: boolean | undefined;
}

/** What is left out stays as it is. */
export interface Ownership {
  readonly uid?: number;
  readonly gid?: number;
  /** Of the files that hold the private key. */
  readonly mode?: number;
  /** Whether a file is overwritten whose content cannot be kept. Left out: it is refused. */
  readonly adopt?: boolean;
}

/** Throws `deploy.refused` when there is no such user or group. */
export async function ownershipOf(options: OwnerOptions, signal: AbortSignal): Promise<Ownership> {
  const { owner, group, mode, adopt } = options;
  return {
    ...(adopt === true && { adopt }),
    ...(owner !== undefined && { uid: await numericId("passwd", owner, signal) }),
    ...(group !== undefined && { gid: await numericId("group", group, signal) }),
    ...(mode !== undefined && { mode: Number.parseInt(mode, 8) }),
  };
}

/** Of the files that hold the private key; undefined: the options ask for none. */
export function modeOf({ mode }: OwnerOptions): number | undefined {
  return mode === undefined ? undefined : Number.parseInt(mode, 8);
}

/** A file with the attributes that the options ask for. `reader` is the user of the running server; null: not known. */
export function ownedFile<File extends Omit<FileToTry, "mode" | "uid" | "gid" | "reader">>(
  file: File,
  { mode, ...owner }: Ownership,
  reader: Reader | null = null,
): File & FileToTry {
  return { ...file, ...owner, ...(file.secret && mode !== undefined && { mode }), ...(file.secret && { reader }) };
}

/** The numeric id of a user or group name. `getent` also asks directories such as LDAP; Node knows neither. */
async function numericId(database: "passwd" | "group", name: string, signal: AbortSignal): Promise<number> {
  if (/^\d{1,10}$/.test(name)) return Number(name);
  const entry = await runCommand({ argv: ["getent", database, name], timeoutMs: LOOKUP_TIMEOUT_MS }, signal).catch(
    (cause) => {
      signal.throwIfAborted();
      throw new RenewalError(
        "deploy.refused",
        `there is no ${database === "passwd" ? "user" : "group"} named ${name} here`,
        { cause },
      );
    },
  );
  return Number(entry.split(":")[2]);
}
