// What the drills' installation holds: certificates spread over servers, each also in a directory of its own.
import { join } from "node:path";
import type { Caddy } from "../support/servers/caddy.ts";
import type { Haproxy } from "../support/servers/haproxy.ts";
import type { Nginx } from "../support/servers/nginx.ts";
import type { Section } from "../support/system/system.ts";

export type Server = "haproxy" | "nginx" | "caddy";

/** By certificate, over and over. Every third is served by nginx, whose reloads are dear. */
export const SPREAD: readonly Server[] = ["haproxy", "haproxy", "nginx"];

export interface Site {
  readonly certificate: string;
  readonly sni: string;
  readonly server: Server;
  readonly port: number;
  /** Files that hold key and certificate together: a single rename replaces them. */
  readonly bundles: readonly string[];
  /** Key and certificate in two files, which two renames replace. */
  readonly pair: { readonly fullchain: string; readonly privkey: string };
}

export function serverOf(index: number, spread: readonly Server[]): Server {
  return spread[index % spread.length] ?? "haproxy";
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
  /** null: nothing is served by it. */
  readonly caddy: Caddy | null;
  /** Directory of the plain files. */
  readonly files: string;
  /** Script that runs after the plain files are in place. */
  readonly hook: string;
}

export function sitesOf(count: number, spread: readonly Server[], places: Places): Site[] {
  return Array.from({ length: count }, (_, index) => {
    const certificate = siteName(index);
    const server = serverOf(index, spread);
    const { port, bundle } = bundleAt(server, certificate, places);
    const pair = {
      fullchain: join(places.files, `${certificate}.fullchain.pem`),
      privkey: join(places.files, `${certificate}.privkey.pem`),
    };
    return { certificate, sni: sniOf(certificate), server, port, bundles: [bundle], pair };
  });
}

function bundleAt(
  server: Server,
  certificate: string,
  { haproxy, nginx, caddy }: Places,
): { readonly port: number; readonly bundle: string } {
  if (server === "haproxy") return { port: haproxy.port, bundle: join(haproxy.directory, `${certificate}.pem`) };
  if (server === "nginx") return { port: nginx.port, bundle: join(nginx.directory, certificate, "bundle.pem") };
  if (caddy === null) throw new Error(`no Caddy was started for ${certificate}`);
  return { port: caddy.port, bundle: join(caddy.directory, `${certificate}.pem`) };
}

const TARGETS = { haproxy: "lb", nginx: "web", caddy: "edge" } as const satisfies Record<Server, string>;

export function targetsOf({ haproxy, nginx, caddy, files, hook }: Places): Section {
  return {
    [TARGETS.haproxy]: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` },
    [TARGETS.nginx]: {
      type: "nginx",
      bundle: `${nginx.directory}/{certificate}/bundle.pem`,
      configFile: nginx.configFile,
      prefix: nginx.prefix,
    },
    ...(caddy !== null && {
      [TARGETS.caddy]: { type: "caddy", admin: caddy.admin, file: `${caddy.directory}/{certificate}.pem` },
    }),
    files: {
      type: "files",
      directory: files,
      fullchain: "{certificate}.fullchain.pem",
      privkey: "{certificate}.privkey.pem",
      command: ["sh", hook],
    },
  };
}

export function certificatesOf(sites: readonly Site[]): Section {
  return Object.fromEntries(
    sites.map(({ certificate, sni, server, port }) => {
      const target = TARGETS[server];
      return [
        certificate,
        { names: [sni], targets: [target, "files"], endpoints: [{ host: "127.0.0.1", port, sni, target }] },
      ];
    }),
  );
}
