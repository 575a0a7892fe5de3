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
  ownership: ({ dataDirectory }) => serverUser(dataDirectory),
});

/**
 * PostgreSQL refuses a key that others than its owner may read, and a key that neither it nor root owns (same chapter).
 * It runs only as the owner of its data directory; PG_VERSION shows that this is one.
 */
async function serverUser(dataDirectory: string): Promise<Ownership> {
  const version = join(dataDirectory, "PG_VERSION");
  const { uid, gid } = await stat(version).catch((error) => {
    throw fileError(error, version);
  });
  return { uid, gid, mode: 0o600 };
}
