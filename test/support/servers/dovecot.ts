// Starts a real Dovecot that serves imap, pop3 or sieve on a loopback port of its own. It needs root.
import { globSync } from "node:fs";
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
  /** Default: imap. */
  readonly protocol?: DovecotProtocol;
}

/** Each is a package of its own, with a login program of its own. */
const PROTOCOLS = {
  imap: { login: "imap-login", debian: "dovecot-imapd" },
  pop3: { login: "pop3-login", debian: "dovecot-pop3d" },
  sieve: { login: "managesieve-login", debian: "dovecot-managesieved" },
} as const;
type DovecotProtocol = keyof typeof PROTOCOLS;

export function startDovecot(options: DovecotOptions): Promise<Dovecot> {
  return onFreePort((port) => start(options, port));
}

async function start(options: DovecotOptions, port: number): Promise<Dovecot> {
  const { pair, layout, wrapped = true, protocol = "imap" } = options;
  assertInstalled(protocol);
  const home = await mkdtemp(join(tmpdir(), "renewd-dovecot-"));
  // Its login processes are another user's.
  await chmod(home, 0o755);
  const [directory, configFile] = [join(home, "certs"), join(home, "dovecot.conf")];
  await writePair(directory, pair);
  const [certificate, key] = pairPaths(directory, layout).files;
  await writeFile(configFile, configuration({ home, port, certificate, key, wrapped, protocol }));
  const { stop } = await runServer({ argv: ["dovecot", "-F", "-c", configFile], port, home, startsPlain: !wrapped });
  return { port, directory, configFile, stop, [Symbol.asyncDispose]: stop };
}

function assertInstalled(protocol: DovecotProtocol): void {
  const { login, debian } = PROTOCOLS[protocol];
  if (globSync([`/usr/lib*/dovecot/${login}`, `/usr/libexec/dovecot/${login}`]).length === 0)
    throw new Error(`${debian} is not installed: run scripts/bootstrap.sh test`);
}

interface Configuration {
  readonly home: string;
  readonly port: number;
  readonly certificate: string;
  readonly key: string;
  readonly wrapped: boolean;
  readonly protocol: DovecotProtocol;
}

function configuration({ home, port, certificate, key, wrapped, protocol }: Configuration): string {
  return `base_dir = ${home}/run
state_dir = ${home}/state
log_path = /dev/stderr
protocols = ${protocol}
listen = 127.0.0.1
ssl = required
ssl_cert = <${certificate}
ssl_key = <${key}
passdb {
  driver = static
  args = nopassword=y
}
service ${PROTOCOLS[protocol].login} {
  inet_listener ${protocol} {
    port = ${wrapped ? 0 : port}
  }
  inet_listener ${protocol}s {
    port = ${wrapped ? port : 0}
    ssl = yes
  }
}
`;
}
