import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import { fileError } from "../base/fileError.ts";
import { absolutePath } from "../base/targetPath.ts";
import { type Ownership, ownerOptions, ownershipOf } from "../local/owner.ts";
import { layoutOptions, oneLayout } from "../local/pairLayout.ts";
import { fileServer } from "./fileServer.ts";
import { type PidFile, signalServer } from "./pidFile.ts";

const options = z
  .strictObject({
    ...layoutOptions({ certificate: "ssl_cert_file", key: "ssl_key_file" }),
    dataDirectory: absolutePath.describe(
      "The server's data directory, such as /var/lib/postgresql/15/main. The key will belong to its owner, mode 0600, " +
        "unless the options below say otherwise.",
    ),
    owner: ownerOptions.owner.describe(
      "User name or id that the files belong to: the server's user or root. Default: the owner of `dataDirectory`.",
    ),
    group: ownerOptions.group.describe("Group name or id of the files. Default: the group of `dataDirectory`."),
    adopt: ownerOptions.adopt,
    mode: ownerOptions.mode.describe(
      "Mode of the key: at most 0600, or 0640 with `owner: root`, as PostgreSQL refuses others. Default: 0600.",
    ),
  })
  .superRefine(oneLayout);

export const postgresql = fileServer({
  type: "postgresql",
  description: "Writes the pair PostgreSQL reads, with the key as it demands it, and reloads by SIGHUP.",
  options,
  /**
   * `pg_ctl reload` sends SIGHUP to the postmaster, but pg_ctl refuses to run as root. PostgreSQL has no check of a
   * pair. If it cannot load one, the old one serves on, with a line in its log (manual, "Secure TCP/IP Connections with
   * SSL").
   */
  control: ({ dataDirectory }) => {
    const postmaster: PidFile = { path: join(dataDirectory, "postmaster.pid"), programs: ["postgres", "postmaster"] };
    return {
      running: (signal) => signalServer(postmaster, 0, signal),
      reload: (_secret, signal) => signalServer(postmaster, "SIGHUP", signal),
    };
  },
  async ownership(asked, signal) {
    const ownership = { ...(await serverUser(asked.dataDirectory)), ...(await ownershipOf(asked, signal)) };
    const modeMax = ownership.uid === 0 ? 0o640 : 0o600;
    if ((ownership.mode & ~modeMax) === 0) return ownership;
    throw new RenewalError(
      "deploy.refused",
      `PostgreSQL refuses a key with mode ${asked.mode}: it may be 0600 at most, or 0640 where root owns it`,
    );
  },
});

/**
 * PostgreSQL refuses a key that others than its owner may read, and a key that neither it nor root owns (same chapter).
 * It runs only as the owner of its data directory; PG_VERSION shows that this is one.
 */
async function serverUser(dataDirectory: string): Promise<Required<Omit<Ownership, "adopt">>> {
  const version = join(dataDirectory, "PG_VERSION");
  const { uid, gid } = await stat(version).catch((error) => {
    throw fileError(error, version);
  });
  return { uid, gid, mode: 0o600 };
}
