import { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startWebServer } from "../../src/web/server.ts";
import { type Authority, createRoot, type IssuedPair } from "../support/ca/pki.ts";
import { freePort } from "../support/freePort.ts";
import { until } from "../support/until.ts";

const log = { debug() {}, info() {}, warn() {}, error() {} };
const listener = (_: unknown, response: { end(text: string): unknown }): void => void response.end("here");

let directory: string;
let root: Authority;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-web-"));
  root = await createRoot();
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const files = () => ({ certificate: join(directory, "web.pem"), key: join(directory, "web.key") });
async function write({ certPem, keyPem }: IssuedPair): Promise<void> {
  await writeFile(files().certificate, certPem);
  await writeFile(files().key, keyPem);
}

async function taken(): Promise<{ port: number; close(): void }> {
  const port = await freePort();
  const server = createServer().listen(port, "127.0.0.1");
  await once(server, "listening");
  return { port, close: () => void server.close() };
}

test("without a port of its own it takes the next free one, and says which", async () => {
  const other = await taken();
  const server = await startWebServer({
    host: "127.0.0.1",
    port: null,
    firstPort: other.port,
    tls: null,
    listener,
    log,
  });
  expect(Number(new URL(server.url).port)).toBeGreaterThan(other.port);
  expect(await (await fetch(server.url)).text()).toBe("here");
  await server.close();
  other.close();
});

test("a port that the configuration names is the only one: what is in the way is said", async () => {
  const { port, close } = await taken();
  const starting = startWebServer({ host: "127.0.0.1", port, firstPort: port, tls: null, listener, log });
  await expect(starting).rejects.toMatchObject({
    code: "web.address",
    message: expect.stringContaining(`port ${port}`),
  });
  close();
});

test("a certificate that was renewed is served without a restart; a key that does not fit keeps the one before", async () => {
  const [first, second] = [await root.issue({ names: ["renewd.test"] }), await root.issue({ names: ["renewd.test"] })];
  await write(first);
  const at = { host: "127.0.0.1", port: null, firstPort: await freePort(), tls: files() };
  const refused: unknown[] = [];
  const telling = { ...log, error: (about: unknown) => void refused.push(about) };
  const server = await startWebServer({ ...at, listener, log: telling, tlsCheckMs: 5 });
  const served = async (): Promise<string> => {
    const socket = connect({ port: Number(new URL(server.url).port), ca: root.certPem, servername: "renewd.test" });
    await once(socket, "secureConnect");
    const { fingerprint256 } = socket.getPeerX509Certificate() ?? { fingerprint256: "" };
    socket.destroy();
    return fingerprint256;
  };
  const [one, two] = [first, second].map(({ certPem }) => new X509Certificate(certPem).fingerprint256);
  expect(server.url).toMatch(/^https:/);
  expect(await served()).toBe(one);
  for (const half of ["", second.certPem]) {
    const kept = refused.length;
    await writeFile(files().certificate, half);
    await until("a look at what does not fit", async () => refused.length > kept + 1 || null);
    expect(await served()).toBe(one);
  }
  await writeFile(files().key, second.keyPem);
  await until("the renewed certificate", async () => (await served()) === two || null);
  await server.close();
});

test.each([
  ["a file that does not exist", async () => rm(files().certificate, { force: true })],
  ["a file that is no certificate", async () => writeFile(files().certificate, "nothing")],
  ["an empty certificate", async () => writeFile(files().certificate, "")],
  ["an empty key", async () => writeFile(files().key, "")],
])("%s is named", async (_, spoil) => {
  await write(await root.issue({ names: ["renewd.test"] }));
  await spoil();
  const starting = startWebServer({ host: "127.0.0.1", port: null, firstPort: 8_280, tls: files(), listener, log });
  await expect(starting).rejects.toMatchObject({ code: "web.files" });
});
