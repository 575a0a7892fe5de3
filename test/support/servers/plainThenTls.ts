// Real servers that begin in plain text and change to TLS when asked (STARTTLS), each with as little configuration as
// it starts with, on a loopback port and in a directory of its own.
import { chmod, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IssuedPair } from "../ca/pki.ts";
import { writePair } from "../pairs/pairDirectory.ts";
import { onFreePort, runServer } from "./serverProcess.ts";

export interface PlainServer extends AsyncDisposable {
  readonly port: number;
}

interface Place {
  readonly home: string;
  readonly port: number;
  readonly certificate: string;
  readonly key: string;
}

/** Writes what the server reads and returns its command line. */
type Prepare = (place: Place) => Promise<readonly [string, ...string[]]>;

async function startPlain(name: string, pair: IssuedPair, prepare: Prepare): Promise<PlainServer> {
  return onFreePort(async (port) => {
    const home = await mkdtemp(join(tmpdir(), `renewd-${name}-`));
    // Those that give up root must still reach their files.
    await chmod(home, 0o755);
    const certs = join(home, "certs");
    await writePair(certs, pair);
    const place = { home, port, certificate: join(certs, "fullchain.pem"), key: join(certs, "privkey.pem") };
    const argv = await prepare(place);
    const { stop } = await runServer({ argv, port, home, startsPlain: true });
    return { port, [Symbol.asyncDispose]: stop };
  });
}

/** OpenLDAP's slapd, with no database behind it: StartTLS is of the protocol. */
export function startSlapd(pair: IssuedPair): Promise<PlainServer> {
  return startPlain("slapd", pair, async ({ home, port, certificate, key }) => {
    const file = join(home, "slapd.conf");
    await writeFile(file, `TLSCertificateFile ${certificate}\nTLSCertificateKeyFile ${key}\n`);
    return ["slapd", "-d", "0", "-h", `ldap://127.0.0.1:${port}`, "-f", file];
  });
}

/** MariaDB without its system tables: it shows its certificate before it asks who connects. */
export function startMariadb(pair: IssuedPair): Promise<PlainServer> {
  return startPlain("mariadb", pair, async ({ home, port, certificate, key }) => {
    const data = join(home, "data");
    await mkdir(data);
    const settings = {
      datadir: data,
      "bind-address": "127.0.0.1",
      port: String(port),
      socket: join(home, "mariadb.sock"),
      "pid-file": join(home, "mariadb.pid"),
      "ssl-cert": certificate,
      "ssl-key": key,
      "default-storage-engine": "MyISAM",
      innodb: "OFF",
    };
    const flags = Object.entries(settings).map(([option, value]) => `--${option}=${value}`);
    const asRoot = process.getuid?.() === 0 ? ["--user=root"] : [];
    return ["mariadbd", "--no-defaults", "--skip-grant-tables", ...asRoot, ...flags];
  });
}

/** It needs root, as it changes to another user for each connection. */
export function startVsftpd(pair: IssuedPair): Promise<PlainServer> {
  return startPlain("vsftpd", pair, async ({ home, port, certificate, key }) => {
    const empty = join(home, "empty");
    await mkdir(empty);
    const file = join(home, "vsftpd.conf");
    const settings = {
      listen: "YES",
      listen_address: "127.0.0.1",
      listen_port: port,
      background: "NO",
      secure_chroot_dir: empty,
      // Its sandbox refuses calls of newer kernels.
      seccomp_sandbox: "NO",
      ssl_enable: "YES",
      ssl_ciphers: "HIGH",
      rsa_cert_file: certificate,
      rsa_private_key_file: key,
    };
    const lines = Object.entries(settings).map(([option, value]) => `${option}=${value}\n`);
    await writeFile(file, lines.join(""));
    return ["vsftpd", file];
  });
}

/** It serves this XMPP domain to clients. */
export function startProsody(pair: IssuedPair, domain: string): Promise<PlainServer> {
  return startPlain("prosody", pair, async ({ home, port, certificate, key }) => {
    const file = join(home, "prosody.cfg.lua");
    await writeFile(
      file,
      `run_as_root = true
data_path = "${home}"
pidfile = "${home}/prosody.pid"
log = { { levels = { min = "error" }, to = "console" } }
modules_enabled = { "tls", "saslauth" }
modules_disabled = { "s2s" }
c2s_interfaces = { "127.0.0.1" }
c2s_ports = { ${port} }
c2s_require_encryption = true
VirtualHost "${domain}"
  ssl = { certificate = "${certificate}", key = "${key}" }
`,
    );
    return ["prosody", "-F", "--config", file];
  });
}
