// What the drills' installation holds: certificates spread over HAProxy and nginx, each also in a directory of its own.
import { join } from "node:path";
import type { Haproxy } from "../support/haproxy.ts";
import type { Nginx } from "../support/nginx.ts";
import type { Section } from "../support/system.ts";

export interface Site {
  readonly certificate: string;
  readonly sni: string;
  readonly server: "haproxy" | "nginx";
  readonly port: number;
  /** Files that hold key and certificate together: a single rename replaces them. */
  readonly bundles: readonly string[];
  /** Key and certificate in two files, which two renames replace. */
  readonly pair: { readonly fullchain: string; readonly privkey: string };
}

/** Every third certificate is served by nginx, whose reloads are dear. */
export function behindNginx(index: number): boolean {
  return index % 3 === 2;
}

export function siteName(index: number): string {
  return `d-${String(index + 1).padStart(2, "0")}`;
}

export function sniOf(certificate: string): string {
  return `${certificate}.example.org`;
}

interface Places {
  readonly haproxy: Haproxy;
  readonly nginx: Nginx;
  /** Directory of the plain files. */
  readonly files: string;
  /** Script that runs after the plain files are in place. */
  readonly hook: string;
}

export function sitesOf(count: number, { haproxy, nginx, files }: Places): Site[] {
  return Array.from({ length: count }, (_, index) => {
    const certificate = siteName(index);
    const served = behindNginx(index)
      ? ({ server: "nginx", port: nginx.port, bundle: join(nginx.directory, certificate, "bundle.pem") } as const)
      : ({ server: "haproxy", port: haproxy.port, bundle: join(haproxy.directory, `${certificate}.pem`) } as const);
    const pair = { fullchain: join(files, `${certificate}.fullchain.pem`), privkey: join(files, `${certificate}.privkey.pem`) };
    return { certificate, sni: sniOf(certificate), server: served.server, port: served.port, bundles: [served.bundle], pair };
  });
}

export function targetsOf({ haproxy, nginx, files, hook }: Places): Section {
  return {
    lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` },
    web: { type: "nginx", bundle: `${nginx.directory}/{certificate}/bundle.pem`, configFile: nginx.configFile, prefix: nginx.prefix },
    files: { type: "files", directory: files, fullchain: "{certificate}.fullchain.pem", privkey: "{certificate}.privkey.pem", command: ["sh", hook] },
  };
}

export function certificatesOf(sites: readonly Site[]): Section {
  return Object.fromEntries(
    sites.map(({ certificate, sni, server, port }) => {
      const target = server === "nginx" ? "web" : "lb";
      return [certificate, { names: [sni], targets: [target, "files"], endpoints: [{ host: "127.0.0.1", port, sni, target }] }];
    }),
  );
}
