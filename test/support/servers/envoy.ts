// What Envoy does with an SDS file. Its rules, from its documentation (configuration/security/secret, core.v3.PathConfigSource,
// core.v3.DataSource) and source/common/filesystem/inotify:
// - the file must exist when Envoy starts;
// - Envoy watches its path for moves only: a file written in place is not noticed;
// - it reads a DiscoveryResponse in the format the file's name says, JSON or YAML, with strict field names;
// - an update it cannot use (other name, key that does not match …) is rejected and changes nothing.
import { watch } from "node:fs";
import { readFile } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { startSwappableTls } from "./swappableTls.ts";

const inline = z.strictObject({ inline_string: z.string().min(1) });
const secret = z.strictObject({
  "@type": z.literal("type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"),
  name: z.string(),
  tls_certificate: z.strictObject({ certificate_chain: inline, private_key: inline }),
});
const response = z.strictObject({ version_info: z.string().optional(), resources: z.array(secret) });

export interface Envoy extends AsyncDisposable {
  readonly port: number;
  /** `sds.<name>.version_text`: of the update in use. */
  readonly version: () => string | null;
  /** `sds.<name>.update_rejected`. */
  readonly rejected: () => number;
}

/** One listener with the secret `secretName` from the SDS file at `path`. */
export async function startEnvoy({
  path,
  secretName,
}: {
  readonly path: string;
  readonly secretName: string;
}): Promise<Envoy> {
  const tls = await startSwappableTls();
  let version: string | null = null;
  let rejected = 0;
  const load = async (): Promise<void> => {
    try {
      const text = await readFile(path, "utf8");
      const update = response.parse(path.endsWith(".json") ? JSON.parse(text) : parse(text));
      if (update.resources.length === 0) return;
      const found = update.resources.find(({ name }) => name === secretName);
      if (found === undefined || update.resources.length > 1) throw new Error(`not the one secret ${secretName}`);
      const { certificate_chain, private_key } = found.tls_certificate;
      tls.serve([{ certPem: certificate_chain.inline_string, keyPem: private_key.inline_string }]);
      version = update.version_info ?? "";
    } catch {
      rejected += 1;
    }
  };
  await readFile(path);
  await load();
  let turn = Promise.resolve();
  // Node says "rename" when a name appears and "change" when a file is written. A name that appears by being created
  // has nothing in it yet, and what is written to it then is not read: so only moves do.
  const watcher = watch(dirname(path), (event, name) => {
    if (event === "rename" && name === basename(path)) turn = turn.then(load);
  });
  return {
    ...{ port: tls.port, version: () => version, rejected: () => rejected },
    async [Symbol.asyncDispose]() {
      watcher.close();
      await turn;
      await tls[Symbol.asyncDispose]();
    },
  };
}
