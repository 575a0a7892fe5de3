import { stat } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { fileError } from "../base/fileError.ts";
import { absolutePath } from "../base/targetPath.ts";
import type { Ownership } from "../local/owner.ts";
import { layoutOptions, oneLayout } from "../local/pairLayout.ts";
import { fileServer } from "./fileServer.ts";
import { type PidFile, signalServer } from "./pidFile.ts";

const options = z
  .strictObject({
    ...layoutOptions({ certificate: "ssl_cert_file", key: "ssl_key_file" }),
    dataDirectory: absolutePath.describe(
      "The server's data directory, such as /var/lib/postgresql/15/main. The key will belong to its owner, mode 0600.",
    ),
  })
  .superRefine(oneLayout);

export const postgresql = fileServer({
  type: "postgresql",
  description: "Writes the pair PostgreSQL reads, with the key as it demands it, and reloads by SIGHUP.",
  options,
  /**
   * SIGHUP to the postmaster is what `pg_ctl reload` does, but pg_ctl refuses to run as root. PostgreSQL has no check of a pair;
   * one it cannot load leaves the old one serving, with a line in its log (manual, "Secure TCP/IP Connections with SSL").
   */
  control: ({ dataDirectory }) => {
    const postmaster: PidFile = { path: join(dataDirectory, "postmaster.pid"), programs: ["postgres", "postmaster"] };
    return {
      running: (signal) => signalServer(postmaster, 0, signal),
      reload: (_secret, signal) => signalServer(postmaster, "SIGHUP", signal),
    };
  },
  ownership: ({ dataDirectory }) => serverUser(dataDirectory),
});

/**
 * A key that others than its owner may read is refused, and a key of another user's but root's too (same chapter). The server
 * runs as the owner of its data directory, or it does not run; PG_VERSION tells that this is one.
 */
async function serverUser(dataDirectory: string): Promise<Ownership> {
  const version = join(dataDirectory, "PG_VERSION");
  const { uid, gid } = await stat(version).catch((error) => {
    throw fileError(error, version);
  });
  return { uid, gid, mode: 0o600 };
}
