import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, it } from "vitest";
import { createRoot } from "../support/ca/pki.ts";

const run = promisify(execFile);

const DATABASE = "postgresql://127.0.0.1:1/none";
const OPEN = `
  import { getCACertificates } from "node:tls";
  const [, module, name, file] = process.argv;
  await (await import(module))[name](file).catch(() => {});
  console.log(getCACertificates("default").some((pem) => pem.trim() === process.env.ROOT));
`;

it.each([
  ["viewer", "openViewer"],
  ["storeTasks", "reopenConfigured"],
])("a database of a company's own CA is trusted by %s, as by the running process", async (module, name) => {
  const root = await createRoot();
  const directory = await mkdtemp(join(tmpdir(), "renewd-trust-"));
  try {
    const [file, config] = [join(directory, "system.pem"), join(directory, "renewd.yaml")];
    await writeFile(file, root.certPem);
    await writeFile(join(directory, "master.key"), Buffer.alloc(32).toString("base64"), { mode: 0o600 });
    const store = { type: "postgresql", url: "env:DATABASE" };
    await writeFile(config, JSON.stringify({ version: 1, dataDir: directory, store, certificates: {} }));
    const env = {
      PATH: process.env.PATH,
      SSL_CERT_FILE: file,
      SSL_CERT_DIR: directory,
      ROOT: root.certPem.trim(),
      DATABASE,
    };
    const url = new URL(`../../src/compose/${module}.ts`, import.meta.url).href;
    const args = ["--input-type=module", "-e", OPEN, url, name, config];
    expect((await run(process.execPath, args, { env })).stdout.trim()).toBe("true");
  } finally {
    await rm(directory, { recursive: true });
  }
});
