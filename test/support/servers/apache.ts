// Starts a real Apache httpd on a loopback port of its own.
import { globSync } from "node:fs";
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { IssuedPair } from "../ca/pki.ts";
import { type Layout, pairPaths, writePair } from "../pairs/pairDirectory.ts";
import { onFreePort, runServer } from "./serverProcess.ts";

export interface Apache extends AsyncDisposable {
  readonly port: number;
  /** Holds `<name>/{fullchain,privkey,bundle}.pem`. */
  readonly directory: string;
  /** What `-f` and `-d` need to mean this instance. */
  readonly configFile: string;
  readonly serverRoot: string;
  readonly pid: number;
  output(): string;
  stop(): Promise<void>;
}

export interface ApacheOptions {
  /** One virtual host `<name>.test` each; the first is the default. */
  readonly certificates: Readonly<Record<string, IssuedPair>>;
  readonly layout: Layout;
}

const MODULES = { mpm_event_module: "mod_mpm_event", authz_core_module: "mod_authz_core", ssl_module: "mod_ssl" };

export function startApache(options: ApacheOptions): Promise<Apache> {
  return onFreePort((port) => start(options, port));
}

async function start({ certificates, layout }: ApacheOptions, port: number): Promise<Apache> {
  const serverRoot = await mkdtemp(join(tmpdir(), "renewd-apache-"));
  const directory = join(serverRoot, "certs");
  const configFile = join(serverRoot, "httpd.conf");
  const hosts: string[] = [];
  for (const [name, pair] of Object.entries(certificates)) {
    await writePair(join(directory, name), pair);
    const [certificate, key] = pairPaths(join(directory, name), layout).files;
    hosts.push(`<VirtualHost 127.0.0.1:${port}>
  ServerName ${name}.test
  SSLEngine on
  SSLCertificateFile ${certificate}
  SSLCertificateKeyFile ${key}
</VirtualHost>
`);
  }
  await writeFile(configFile, configuration(serverRoot, port) + hosts.join(""));
  const argv = ["apache2", "-d", serverRoot, "-f", configFile, "-D", "FOREGROUND"] as const;
  const { pid, output, stop } = await runServer({
    argv,
    port,
    home: serverRoot,
    logFile: join(serverRoot, "error.log"),
  });
  return { port, directory, configFile, serverRoot, pid, output, stop, [Symbol.asyncDispose]: stop };
}

function configuration(serverRoot: string, port: number): string {
  const [modules = ""] = globSync("/usr/lib{,64}/{apache2,httpd}/modules");
  const load = Object.entries(MODULES).map(([name, file]) => `LoadModule ${name} ${modules}/${file}.so\n`);
  return `${load.join("")}ServerName localhost
PidFile httpd.pid
DefaultRuntimeDir ${serverRoot}
ErrorLog error.log
Listen 127.0.0.1:${port}
StartServers 1
ThreadsPerChild 8
MaxRequestWorkers 64
${process.getuid?.() === 0 ? "User www-data\nGroup www-data\n" : ""}`;
}
