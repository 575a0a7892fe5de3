// What Traefik's file provider does, as far as certificates are concerned. Its rules, from its documentation
// (https://doc.traefik.io/traefik/providers/file/, /https/tls/) and pkg/provider/file:
// - it watches the directory of dynamic configuration, not below it and not the certificate files;
// - on an event there it reads all .yml and .yaml files (we leave out TOML) and, at that moment, the certificate files they name;
// - a configuration it cannot parse changes nothing; a certificate it cannot load is left out;
// - a configuration equal to the one before is ignored.
import { type FSWatcher, watch } from "node:fs";
import { readdir, readFile } from "node:fs/promises";
import { extname, join } from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { type Pair, type SwappableTls, startSwappableTls } from "./swappableTls.ts";

const dynamic = z.strictObject({
  tls: z.strictObject({ certificates: z.array(z.strictObject({ certFile: z.string(), keyFile: z.string() })) }),
});

export interface Traefik extends AsyncDisposable {
  readonly port: number;
  /** Configurations it took, the first at its start. */
  readonly loads: () => number;
  /** What it would have logged at level error. */
  readonly errors: readonly string[];
}

export async function startTraefik(directory: string): Promise<Traefik> {
  const tls = await startSwappableTls();
  const errors: string[] = [];
  let loads = 0;
  let last = "";
  let turn = Promise.resolve();
  const load = async (): Promise<void> => {
    const pairs = await read(directory, errors);
    if (pairs === null || JSON.stringify(pairs) === last) return;
    last = JSON.stringify(pairs);
    serveWhatMatches(tls, pairs, errors);
    loads += 1;
  };
  const enqueue = (): void => {
    turn = turn.then(load).catch((error: unknown) => {
      errors.push(String(error));
    });
  };
  const watcher: FSWatcher = watch(directory, (_event, name) => {
    // With `providers.file.directory` Traefik reacts to other files there too; one that only watches its own file is
    // the stricter.
    if (name !== null && [".yml", ".yaml"].includes(extname(name))) enqueue();
  });
  enqueue();
  await turn;
  return {
    ...{ port: tls.port, errors, loads: () => loads },
    async [Symbol.asyncDispose]() {
      watcher.close();
      await turn;
      await tls[Symbol.asyncDispose]();
    },
  };
}

async function read(directory: string, errors: string[]): Promise<Pair[] | null> {
  const names = (await readdir(directory)).filter((name) => [".yml", ".yaml"].includes(extname(name))).sort();
  const pairs: Pair[] = [];
  for (const name of names) {
    const text = await readFile(join(directory, name), "utf8");
    const parsed = dynamic.safeParse(text.includes("{{") ? null : parse(text));
    if (!parsed.success) {
      errors.push(`${name}: ${parsed.error.message}`);
      return null;
    }
    for (const { certFile, keyFile } of parsed.data.tls.certificates) {
      pairs.push({
        certPem: blocks(await readFile(certFile, "utf8"), /CERTIFICATE/),
        keyPem: blocks(await readFile(keyFile, "utf8"), /PRIVATE KEY/),
      });
    }
  }
  return pairs;
}

/** Go's tls.X509KeyPair skips blocks of other types in either file. */
function blocks(pem: string, type: RegExp): string {
  const found = pem.match(/-----BEGIN ([A-Z ]+)-----[^-]+-----END \1-----\n?/g) ?? [];
  return found.filter((block) => type.test(block)).join("");
}

function serveWhatMatches(tls: SwappableTls, pairs: readonly Pair[], errors: string[]): void {
  const good: Pair[] = [];
  for (const pair of pairs) {
    try {
      tls.serve([pair]);
      good.push(pair);
    } catch (error) {
      errors.push(`cannot load a certificate: ${error}`);
    }
  }
  tls.serve(good);
}
