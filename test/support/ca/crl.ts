// Certificate revocation lists as OpenSSL's `ca` makes them, and a server that hands them out.
import { execFile } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer, type RequestListener } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import type { IssuedPair } from "./pki.ts";

export interface CrlOptions {
  /** Serial in hex → CRLReason by OpenSSL's name, or null for none. */
  readonly revoked: Readonly<Record<string, string | null>>;
  /** Lines of an `openssl.cnf` section. */
  readonly extensions?: readonly string[];
  readonly digest?: string;
}

export const REVOKED_AT = Date.UTC(2026, 0, 5, 6, 7, 8);

/** DER, signed by `issuer`. */
export async function makeCrl(
  issuer: IssuedPair,
  { revoked, extensions = [], digest = "sha256" }: CrlOptions,
): Promise<Buffer> {
  const home = await mkdtemp(join(tmpdir(), "renewd-crl-"));
  const at = (name: string): string => join(home, name);
  try {
    const rows = Object.entries(revoked).map(
      ([serial, reason]) =>
        `R\t300101000000Z\t260105060708Z${reason === null ? "" : `,${reason}`}\t${serial}\tunknown\t/CN=revoked\n`,
    );
    await writeFile(at("index.txt"), rows.join(""));
    await writeFile(at("index.txt.attr"), "unique_subject = no\n");
    await writeFile(at("crlnumber"), "01\n");
    await writeFile(at("issuer.pem"), issuer.certPem);
    await writeFile(at("issuer.key"), issuer.keyPem, { mode: 0o600 });
    const configuration = [
      ...[
        "[ca]",
        "default_ca = own",
        "[own]",
        `database = ${at("index.txt")}`,
        `crlnumber = ${at("crlnumber")}`,
        "default_crl_days = 7",
      ],
      ...["crl_extensions = more", "[more]", "authorityKeyIdentifier = issuer:always", ...extensions],
    ];
    await writeFile(at("openssl.cnf"), configuration.join("\n"));
    const files = [
      "-config",
      at("openssl.cnf"),
      "-keyfile",
      at("issuer.key"),
      "-cert",
      at("issuer.pem"),
      "-out",
      at("list.pem"),
    ];
    await promisify(execFile)("openssl", ["ca", "-gencrl", "-md", digest, ...files]);
    const { stdout } = await promisify(execFile)("openssl", ["crl", "-in", at("list.pem"), "-outform", "DER"], {
      encoding: "buffer",
    });
    return stdout;
  } finally {
    await rm(home, { recursive: true });
  }
}

export interface ListServer extends AsyncDisposable {
  readonly url: string;
  /** Paths asked for so far. */
  readonly asked: readonly string[];
  answer: RequestListener;
}

export async function startListServer(): Promise<ListServer> {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url ?? "");
    made.answer(request, response);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const made: ListServer = {
    url: `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`,
    asked,
    answer: (_request, response) => response.writeHead(404).end(),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return made;
}
