// A place that serves certificates by server name, reading its files at each handshake: a `files` target and the
// endpoint behind it.

import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rename, rm, writeFile } from "node:fs/promises";
import type { AddressInfo, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createSecureContext, createServer, type SecureContext } from "node:tls";
import { servedFingerprint } from "./served.ts";
import type { ServedPair } from "./tlsServer.ts";

export interface Edge extends AsyncDisposable {
  readonly name: string;
  readonly port: number;
  /** For `targets:` of a configuration. */
  readonly target: { readonly type: "files"; readonly directory: string; readonly bundle: string };
  /** For `endpoints:` of this certificate, whose name is the first label of its server name. */
  endpoint(certificate: string): object;
  /** SHA-256 of the leaf a fresh handshake sees. */
  serves(certificate: string): Promise<string>;
  /** The file as it is; null: there is none. */
  file(certificate: string): Promise<Buffer | null>;
  /** Somebody writes a pair of their own there. */
  overwrite(certificate: string, pair: ServedPair): Promise<void>;
  /** By certificate: what the server shows in the file's place, as one that was never reloaded does. */
  readonly stuck: Map<string, ServedPair>;
  /** By certificate: what some connections get in the file's place, as from one node of several. */
  readonly mixed: Map<string, Mixture>;
  /** Certificates whose handshakes are cut off. */
  readonly down: Set<string>;
  /** Nothing can be written there for this certificate, until `unblock`. What is served goes on. */
  block(certificate: string): Promise<void>;
  unblock(certificate: string): Promise<void>;
}

interface Mixture {
  readonly pair: ServedPair;
  /** Connections are counted from 1. */
  readonly isFor: (connection: number) => boolean;
}

const DOMAIN = "example.org";

export function nameOf(certificate: string): string {
  return `${certificate}.${DOMAIN}`;
}

export async function startEdge(name: string): Promise<Edge> {
  const directory = await mkdtemp(join(tmpdir(), "renewd-edge-"));
  const folder = (certificate: string): string => join(directory, certificate);
  const fileOf = async (certificate: string): Promise<Buffer | null> => {
    const read = (path: string): Promise<Buffer | null> => readFile(join(path, "pair.pem")).catch(() => null);
    return (await read(folder(certificate))) ?? read(`${folder(certificate)}.away`);
  };
  const stuck = new Map<string, ServedPair>();
  const mixed = new Map<string, Mixture>();
  const connections = new Map<string, number>();
  const down = new Set<string>();
  const contextFor = async (serverName: string): Promise<SecureContext> => {
    const [certificate = ""] = serverName.split(".");
    if (down.has(certificate)) throw new Error(`${certificate} is down`);
    const instead = stuck.get(certificate);
    if (instead !== undefined) return createSecureContext({ cert: instead.certPem, key: instead.keyPem });
    const connection = (connections.get(certificate) ?? 0) + 1;
    connections.set(certificate, connection);
    const other = mixed.get(certificate);
    if (other?.isFor(connection)) return createSecureContext({ cert: other.pair.certPem, key: other.pair.keyPem });
    const pem = await fileOf(certificate);
    if (pem === null) throw new Error(`no file for ${certificate}`);
    return createSecureContext({ cert: pem, key: pem });
  };
  const open = new Set<Socket>();
  const server = createServer({
    SNICallback: (serverName, done) => {
      contextFor(serverName).then(
        (context) => done(null, context),
        (error: Error) => done(error),
      );
    },
  });
  server.on("connection", (socket: Socket) => {
    open.add(socket);
    socket.once("close", () => open.delete(socket));
  });
  server.on("secureConnection", (socket) => {
    socket.on("error", () => socket.destroy());
    socket.resume();
  });
  server.on("tlsClientError", (_error, socket) => socket.destroy());
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  // Boundary: a server that listens on TCP has an address of this kind.
  const { port } = server.address() as AddressInfo;
  return {
    name,
    port,
    target: { type: "files", directory, bundle: "{certificate}/pair.pem" },
    endpoint: (certificate) => ({ host: "127.0.0.1", port, sni: nameOf(certificate), target: name }),
    serves: (certificate) => servedFingerprint(port, nameOf(certificate)),
    file: fileOf,
    async overwrite(certificate, { certPem, keyPem }) {
      await mkdir(folder(certificate), { recursive: true });
      await writeFile(join(folder(certificate), "pair.pem"), keyPem + certPem);
    },
    stuck,
    mixed,
    down,
    async block(certificate) {
      await rename(folder(certificate), `${folder(certificate)}.away`).catch(() => {});
      await writeFile(folder(certificate), "not a directory");
    },
    async unblock(certificate) {
      await rm(folder(certificate));
      await rename(`${folder(certificate)}.away`, folder(certificate)).catch(() => {});
    },
    async [Symbol.asyncDispose]() {
      for (const socket of open) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
      await rm(directory, { recursive: true, force: true });
    },
  };
}
