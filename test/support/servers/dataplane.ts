// HAProxy's Data Plane API, version 3, as far as its storage goes. Its rules, from its specification (client-native,
// specification/paths/storage) and handlers (dataplaneapi, handlers/ssl_cert_storage.go, general_storage.go):
// - Basic authentication; names keep letters, digits, # _ - and the last dot; no certificate's key is ever told;
// - POST creates from the multipart part `file_upload`, 409 if it is there; PUT replaces, 404 if it is not;
// - a certificate file holds certificate and key, or is refused before it is written;
// - a replaced certificate is pushed into HAProxy's memory (200) or, where that fails, HAProxy is reloaded a little
//   later (202 and Reload-ID, how it went is told at /reloads/ID); a new one is not served before a reload;
//   `force_reload` reloads at once, `skip_reload` never.
import { createPrivateKey, X509Certificate } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { buffer } from "node:stream/consumers";
import { type Pair, startSwappableTls } from "./swappableTls.ts";

export interface DataplaneFake extends AsyncDisposable {
  readonly url: string;
  /** HAProxy's TLS port. */
  readonly port: number;
  readonly certificates: ReadonlyMap<string, string>;
  /** Changes a certificate's file, as others do on the machine; null: it is removed. */
  plant(name: string, pem: string | null): void;
  readonly general: ReadonlyMap<string, string>;
  /** METHOD path?query → status, in order. */
  readonly calls: readonly string[];
  /** Returns how to put the storage back as it is now. */
  snapshot(): () => void;
  readonly faults: {
    /** HAProxy's runtime socket does not take certificates. */
    pushFails?: boolean;
    reloadFails?: boolean;
    /** What HAProxy said at a reload that failed. */
    reloadResponse?: string;
    /** Answers every attempt to store a certificate, in the specification's `error`. */
    storeRefusal?: string;
    /** Answers every request. */
    answer?: { readonly status: number; readonly headers?: Record<string, string>; readonly body?: string };
  };
}

interface Answer {
  readonly status: number;
  readonly headers?: Record<string, string>;
  readonly body?: unknown;
}

const STORAGE = "/v3/services/haproxy/storage/";
const error = (status: number, message: string): Answer => ({ status, body: { code: status, message } });

export async function startDataplane(user: string, password: string): Promise<DataplaneFake> {
  const tls = await startSwappableTls();
  const [certificates, general] = [new Map<string, string>(), new Map<string, string>()];
  const loaded = new Map<string, string>();
  const reloads = new Map<string, string>();
  const calls: string[] = [];
  const faults: DataplaneFake["faults"] = {};
  const load = (entries: ReadonlyMap<string, string>): boolean => {
    try {
      tls.serve([...entries.values()].map(pairOf));
    } catch {
      return false;
    }
    for (const [name, pem] of entries) loaded.set(name, pem);
    return true;
  };
  const reload = (): boolean => faults.reloadFails !== true && load(certificates);
  const requestReload = (): Record<string, string> => {
    const id = `2026-11-22-${reloads.size}`;
    reloads.set(id, "in_progress");
    setTimeout(() => reloads.set(id, reload() ? "succeeded" : "failed"), 20);
    return { "reload-id": id };
  };

  const storeCertificate = (name: string, pem: string, query: URLSearchParams, fresh: boolean): Answer => {
    if (faults.storeRefusal !== undefined) return error(400, faults.storeRefusal);
    if (!isWhole(pem)) return error(400, "file should contain both certificate and private key");
    certificates.set(name, pem);
    const done = fresh ? 201 : 200;
    const body = { storage_name: name, description: "managed SSL file", file: `/etc/haproxy/ssl/${name}` };
    if (query.get("skip_reload") === "true") return { status: done, body };
    if (query.get("force_reload") === "true")
      return reload() ? { status: done, body } : error(500, "Reload failed: exit status 1");
    if (faults.pushFails !== true && fresh) return { status: done, body };
    const pushed = faults.pushFails !== true && loaded.has(name) && load(new Map([...loaded, [name, pem]]));
    return pushed ? { status: done, body } : { status: 202, headers: requestReload(), body };
  };

  const handle = async (request: IncomingMessage, url: URL): Promise<Answer> => {
    if (faults.answer !== undefined) return faults.answer;
    if (request.headers.authorization !== `Basic ${btoa(`${user}:${password}`)}`) return error(401, "unauthorized");
    const reloadId = /^\/v3\/services\/haproxy\/reloads\/(.+)$/.exec(url.pathname)?.[1];
    if (reloadId !== undefined)
      return reloads.has(reloadId)
        ? {
            status: 200,
            body: { id: reloadId, status: reloads.get(reloadId), response: faults.reloadResponse ?? "exit status 1" },
          }
        : error(404, "");
    const [kind = "", given] = url.pathname.startsWith(STORAGE) ? url.pathname.slice(STORAGE.length).split("/") : [];
    const files = kind === "ssl_certificates" ? certificates : kind === "general" ? general : null;
    if (files === null) return error(404, "no such path");
    if (given === undefined && request.method === "GET")
      return { status: 200, body: [...files.keys()].map((name) => ({ storage_name: name })) };
    const data = request.method === "POST" || kind === "general" ? await uploaded(request) : await text(request);
    if (data === null) return error(415, "unsupported media type");
    const name = sanitized(given ?? data.name);
    if (request.method === "GET") {
      if (!files.has(name)) return error(404, `file ${name} doesn't exist`);
      return {
        status: 200,
        body:
          kind === "general"
            ? files.get(name)
            : {
                storage_name: name,
                description: "managed SSL file",
                size: Buffer.byteLength(files.get(name) ?? ""),
                sha256_finger_print: new X509Certificate(pairOf(files.get(name) ?? "").certPem).fingerprint256,
              },
      };
    }
    if (request.method === "POST" && files.has(name)) return error(409, `file ${name} already exists`);
    if (request.method === "PUT" && !files.has(name)) return error(404, `file ${name} doesn't exist`);
    if (files === certificates)
      return storeCertificate(name, data.content, url.searchParams, request.method === "POST");
    general.set(name, data.content);
    if (request.method === "POST") return { status: 201, body: { storage_name: name } };
    return url.searchParams.get("skip_reload") === "true" ? { status: 204 } : { status: 202, headers: requestReload() };
  };

  const server = createServer(async (request: IncomingMessage, response: ServerResponse) => {
    const url = new URL(request.url ?? "/", "http://fake");
    const { status, headers, body } = await handle(request, url).catch(
      (thrown: unknown): Answer => error(500, String(thrown)),
    );
    calls.push(`${request.method} ${url.pathname}${url.search} ${status}`);
    response
      .writeHead(status, headers)
      .end(typeof body === "string" ? body : body === undefined ? undefined : JSON.stringify(body));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  // Boundary: a TCP server has such an address.
  const { port } = server.address() as AddressInfo;
  return {
    ...{ url: `http://127.0.0.1:${port}`, port: tls.port, certificates, general, calls, faults },
    snapshot() {
      const copies = [certificates, general].map((files) => [files, new Map(files)] as const);
      return () => {
        for (const [files, copy] of copies) {
          files.clear();
          for (const [name, content] of copy) files.set(name, content);
        }
      };
    },
    plant(name, pem) {
      if (pem === null) certificates.delete(name);
      else certificates.set(name, pem);
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await tls[Symbol.asyncDispose]();
    },
  };
}

async function text(request: IncomingMessage): Promise<{ name: string; content: string } | null> {
  if (request.method !== "GET" && request.headers["content-type"] !== "text/plain") return null;
  return { name: "", content: (await buffer(request)).toString() };
}

async function uploaded(request: IncomingMessage): Promise<{ name: string; content: string } | null> {
  if (request.method === "GET") return { name: "", content: "" };
  const type = request.headers["content-type"] ?? "";
  if (!type.startsWith("multipart/form-data")) return null;
  const form = await new Response(new Uint8Array(await buffer(request)), {
    headers: { "content-type": type },
  }).formData();
  const file = form.get("file_upload");
  return file instanceof File ? { name: file.name, content: await file.text() } : null;
}

/** misc.SanitizeFilename of client-native. */
function sanitized(name: string): string {
  const [, stem = "", extension = ""] = /^(.*)\.([^.]*)$/.exec(name) ?? [];
  const plain = (part: string): string => part.replace(/[^a-zA-Z0-9#_\\-]+/g, "_");
  return `${plain(stem)}.${plain(extension)}`;
}

function pairOf(pem: string): Pair {
  return {
    certPem: pem.slice(pem.indexOf("-----BEGIN CERTIFICATE")),
    keyPem: pem.slice(0, pem.indexOf("-----BEGIN CERTIFICATE")),
  };
}

function isWhole(pem: string): boolean {
  try {
    const { certPem, keyPem } = pairOf(pem);
    return new X509Certificate(certPem).subject !== undefined && createPrivateKey(keyPem).type === "private";
  } catch {
    return false;
  }
}
