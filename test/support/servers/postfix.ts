// Starts a real Postfix that does nothing but answer TLS handshakes, on a loopback port of its own. It needs root.
import { execFile } from "node:child_process";
import { chmod, chown, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { IssuedPair } from "../ca/pki.ts";
import { writePair } from "../pairs/pairDirectory.ts";
import { systemUser } from "../system/systemUser.ts";
import { onFreePort, runServer } from "./serverProcess.ts";

export interface Postfix extends AsyncDisposable {
  readonly port: number;
  /** Holds `bundle.pem`, which it serves. */
  readonly directory: string;
  /** What `postfix -c` needs to mean this instance; holds `main.cf`. */
  readonly configDirectory: string;
  readonly pid: number;
  output(): string;
  stop(): Promise<void>;
}

const run = promisify(execFile);

export interface PostfixOptions {
  /** TLS from the first byte, as smtps; else STARTTLS. Default: true. */
  readonly wrapped?: boolean;
}

export function startPostfix(pair: IssuedPair, { wrapped = true }: PostfixOptions = {}): Promise<Postfix> {
  return onFreePort((port) => start(pair, port, wrapped));
}

async function start(pair: IssuedPair, port: number, wrapped: boolean): Promise<Postfix> {
  const owner = await systemUser("postfix");
  const home = await mkdtemp(join(tmpdir(), "renewd-postfix-"));
  // Its processes give up root and must still reach their sockets.
  await chmod(home, 0o755);
  const [configDirectory, queue, data, directory] = [
    join(home, "conf"),
    join(home, "queue"),
    join(home, "data"),
    join(home, "certs"),
  ];
  for (const made of [configDirectory, queue, data]) await mkdir(made);
  await chown(data, owner.uid, owner.gid);
  await writePair(directory, pair);
  await writeFile(join(configDirectory, "main.cf"), mainConfiguration(home, join(directory, "bundle.pem")));
  await writeFile(join(configDirectory, "master.cf"), services(port, wrapped));
  // It also creates the queue's directories.
  await run("postfix", ["-c", configDirectory, "check"]);
  const { stdout } = await run("postconf", ["-c", configDirectory, "-h", "daemon_directory"]);
  const { pid, output, stop } = await runServer({
    argv: [join(stdout.trim(), "master"), "-c", configDirectory, "-s"],
    port,
    home,
    logFile: join(home, "mail.log"),
    startsPlain: !wrapped,
  });
  return { port, directory, configDirectory, pid, output, stop, [Symbol.asyncDispose]: stop };
}

function mainConfiguration(home: string, bundle: string): string {
  return `compatibility_level = 3.6
queue_directory = ${home}/queue
data_directory = ${home}/data
meta_directory = /etc/postfix
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = mail.test
mydestination =
alias_maps =
alias_database =
local_recipient_maps =
smtpd_tls_chain_files = ${bundle}
smtpd_tls_security_level = may
maillog_file = ${home}/mail.log
maillog_file_prefixes = ${home}
`;
}

function services(port: number, wrapped: boolean): string {
  return `127.0.0.1:${port} inet n - n - - smtpd
  -o smtpd_tls_wrappermode=${wrapped ? "yes" : "no"}
tlsmgr unix - - n 1000? 1 tlsmgr
rewrite unix - - n - - trivial-rewrite
anvil unix - - n - 1 anvil
proxymap unix - - n - - proxymap
postlog unix-dgram n - n - 1 postlogd
`;
}
