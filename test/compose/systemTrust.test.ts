import { execFile } from "node:child_process";
import { X509Certificate } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { createRoot } from "../support/ca/pki.ts";
import { startTlsServer } from "../support/servers/tlsServer.ts";

const run = promisify(execFile);
const MODULE = new URL("../../src/compose/systemTrust.ts", import.meta.url).href;

/** In a process of its own, whose system store holds one CA. */
const CHAIN_MODULE = new URL("../../src/x509/chain.ts", import.meta.url).href;

const CONNECT = `
  import { connect, getCACertificates } from "node:tls";
  if (process.argv[2] === "trusting") (await import(process.argv[3])).trustSystemAuthorities();
  const { leadsTo } = await import(process.argv[4]);
  const leads = leadsTo([process.env.LEAF], process.env.ROOT);
  const bundled = getCACertificates("default").length === getCACertificates("bundled").length + 1;
  const socket = connect({ host: "127.0.0.1", port: Number(process.argv[1]), servername: "localhost" });
  socket.on("error", ({ code }) => console.log(code));
  socket.on("secureConnect", () => { console.log("trusted", bundled, leads); socket.destroy(); });
`;

it("a CA of the system is trusted beside those that Node ships, and is a root that a chain leads to", async () => {
  const root = await createRoot();
  const directory = await mkdtemp(join(tmpdir(), "renewd-trust-"));
  try {
    const file = join(directory, "system.pem");
    await writeFile(file, root.certPem);
    const pair = await root.issue({ names: ["localhost"] });
    await using server = await startTlsServer({ pairs: [pair] });
    const ROOT = new X509Certificate(root.certPem).fingerprint256;
    const env = { PATH: process.env.PATH, SSL_CERT_FILE: file, SSL_CERT_DIR: directory, LEAF: pair.certPem, ROOT };
    const attempt = async (how: string): Promise<string> => {
      const args = ["--input-type=module", "-e", CONNECT, String(server.port), how, MODULE, CHAIN_MODULE];
      return (await run(process.execPath, args, { env })).stdout.trim();
    };
    expect(await attempt("trusting")).toBe("trusted true true");
    expect(await attempt("as Node does")).toBe("UNABLE_TO_VERIFY_LEAF_SIGNATURE");
  } finally {
    await rm(directory, { recursive: true });
  }
});
