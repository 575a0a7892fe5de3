// Starts a real Mosquitto with one TLS listener on a loopback port of its own; as its own user where tests run as root.
import { chmod, chown, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IssuedPair } from "../ca/pki.ts";
import { type Layout, pairPaths, writePair } from "../pairs/pairDirectory.ts";
import { systemUser } from "../system/systemUser.ts";
import { onFreePort, runServer } from "./serverProcess.ts";

export interface Mosquitto extends AsyncDisposable {
  readonly port: number;
  /** Holds `{fullchain,privkey,bundle}.pem`. */
  readonly directory: string;
  readonly pidFile: string;
  readonly pid: number;
  output(): string;
  stop(): Promise<void>;
}

export interface MosquittoOptions {
  readonly pair: IssuedPair;
  readonly layout: Layout;
}

export function startMosquitto(options: MosquittoOptions): Promise<Mosquitto> {
  return onFreePort((port) => start(options, port));
}

async function start({ pair, layout }: MosquittoOptions, port: number): Promise<Mosquitto> {
  const owner = process.getuid?.() === 0 ? await systemUser("mosquitto") : undefined;
  const home = await mkdtemp(join(tmpdir(), "renewd-mosquitto-"));
  await chmod(home, 0o755);
  const [directory, run, configFile] = [join(home, "certs"), join(home, "run"), join(home, "mosquitto.conf")];
  await mkdir(run);
  if (owner !== undefined) await chown(run, owner.uid, owner.gid);
  await writePair(directory, pair, owner);
  const [certificate, key] = pairPaths(directory, layout).files;
  const pidFile = join(run, "mosquitto.pid");
  await writeFile(
    configFile,
    `listener ${port} 127.0.0.1
certfile ${certificate}
keyfile ${key}
allow_anonymous true
pid_file ${pidFile}
`,
  );
  const { pid, output, stop } = await runServer({ argv: ["mosquitto", "-c", configFile], port, home });
  return { port, directory, pidFile, pid, output, stop, [Symbol.asyncDispose]: stop };
}
