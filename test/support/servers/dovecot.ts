// Starts a real Dovecot that serves imaps on a loopback port of its own. It needs root.
import { chmod, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IssuedPair } from "../ca/pki.ts";
import { type Layout, pairPaths, writePair } from "../pairs/pairDirectory.ts";
import { onFreePort, runServer } from "./serverProcess.ts";

export interface Dovecot extends AsyncDisposable {
  readonly port: number;
  /** Holds `{fullchain,privkey,bundle}.pem`. */
  readonly directory: string;
  /** What `dovecot -c` needs to mean this instance. */
  readonly configFile: string;
  stop(): Promise<void>;
}

export interface DovecotOptions {
  readonly pair: IssuedPair;
  readonly layout: Layout;
  /** TLS from the first byte, as imaps; else STARTTLS. Default: true. */
  readonly wrapped?: boolean;
}

export function startDovecot(options: DovecotOptions): Promise<Dovecot> {
  return onFreePort((port) => start(options, port));
}

async function start({ pair, layout, wrapped = true }: DovecotOptions, port: number): Promise<Dovecot> {
  const home = await mkdtemp(join(tmpdir(), "renewd-dovecot-"));
  // Its login processes are another user's.
  await chmod(home, 0o755);
  const [directory, configFile] = [join(home, "certs"), join(home, "dovecot.conf")];
  await writePair(directory, pair);
  await writeFile(
    configFile,
    configuration(
      home,
      wrapped ? { imap: 0, imaps: port } : { imap: port, imaps: 0 },
      pairPaths(directory, layout).files,
    ),
  );
  const { stop } = await runServer({ argv: ["dovecot", "-F", "-c", configFile], port, home, startsPlain: !wrapped });
  return { port, directory, configFile, stop, [Symbol.asyncDispose]: stop };
}

function configuration(
  home: string,
  ports: { readonly imap: number; readonly imaps: number },
  [certificate, key]: readonly [string, string],
): string {
  return `base_dir = ${home}/run
state_dir = ${home}/state
log_path = /dev/stderr
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <${certificate}
ssl_key = <${key}
passdb {
  driver = static
  args = nopassword=y
}
service imap-login {
  inet_listener imap {
    port = ${ports.imap}
  }
  inet_listener imaps {
    port = ${ports.imaps}
    ssl = yes
  }
}
`;
}
