// Starts a real nginx on a loopback port of its own. No test framework in here: the demo uses it too.
import { mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRoot } from "../ca/pki.ts";
import { writePair } from "../pairs/pairDirectory.ts";
import { onFreePort, runServer } from "./serverProcess.ts";

export interface NginxCertificate {
  readonly serverNames: readonly string[];
  readonly certPem: string;
  readonly keyPem: string;
}

export interface NginxOptions {
  /** One server block each, by directory name; read from `<directory>/<name>/{fullchain,privkey}.pem`. */
  readonly certificates: Readonly<Record<string, NginxCertificate>>;
  /** Read key and certificate from one `<directory>/<name>/bundle.pem` instead. */
  readonly bundle?: boolean;
}

export interface Nginx extends AsyncDisposable {
  /** Serves TLS; unknown names get a placeholder certificate for `placeholder.test`. */
  readonly port: number;
  readonly directory: string;
  /** What `nginx -c` needs to mean this instance. */
  readonly configFile: string;
  readonly prefix: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export function startNginx(options: NginxOptions): Promise<Nginx> {
  return onFreePort((port) => start(options, port));
}

async function start(options: NginxOptions, port: number): Promise<Nginx> {
  const prefix = await mkdtemp(join(tmpdir(), "renewd-nginx-"));
  const directory = join(prefix, "certs");
  const configFile = join(prefix, "nginx.conf");
  const placeholder = await (await createRoot({ name: "placeholder CA" })).issue({ names: ["placeholder.test"] });
  const certificates = { "00-placeholder": { ...placeholder, serverNames: ["_"] }, ...options.certificates };
  for (const [name, pair] of Object.entries(certificates)) await writePair(join(directory, name), pair);
  const blocks = Object.entries(certificates).map(([name, { serverNames }], index) => {
    const [cert, key] = options.bundle ? ["bundle.pem", "bundle.pem"] : ["fullchain.pem", "privkey.pem"];
    return `  server {
    listen 127.0.0.1:${port} ssl${index === 0 ? " default_server" : ""};
    server_name ${serverNames.join(" ")};
    ssl_certificate ${directory}/${name}/${cert};
    ssl_certificate_key ${directory}/${name}/${key};
    location / { return 200 ok; }
  }
`;
  });
  await writeFile(configFile, configuration(prefix, blocks));
  const { pid, stop } = await runServer({ argv: ["nginx", "-p", prefix, "-c", configFile], port, home: prefix });
  return { port, directory, configFile, prefix, pid, stop, [Symbol.asyncDispose]: stop };
}

function configuration(prefix: string, blocks: readonly string[]): string {
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (kind) => `  ${kind}_temp_path ${prefix}/${kind};\n`,
  );
  return `daemon off;
${process.getuid?.() === 0 ? "user root;\n" : ""}worker_processes 1;
pid ${prefix}/nginx.pid;
error_log stderr error;
events { worker_connections 256; }
http {
  access_log off;
${temporary.join("")}${blocks.join("")}}
`;
}
