// A reload that moves the web interface, and what keeps it from moving.
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "node:tls";
import { expect, it, onTestFinished } from "vitest";
import { openWebPlace, type WebPlace } from "../../src/compose/webPlace.ts";
import type { WebConfig } from "../../src/config/config.ts";
import type { Log } from "../../src/domain/log.ts";
import { startWebServer } from "../../src/web/server.ts";
import { createRoot } from "../support/ca/pki.ts";
import { freePort } from "../support/freePort.ts";

const log: Log = { debug() {}, info() {}, warn() {}, error() {} };
const REST = { enabled: true, url: null, metrics: { withoutToken: false }, httpreq: new Map() };

async function opened(at: WebConfig): Promise<WebPlace> {
  const listener = (_: unknown, response: { end(text: string): unknown }): void => void response.end("here");
  const place = await openWebPlace(at, (next) => startWebServer({ ...next, firstPort: 8_280, listener, log }));
  onTestFinished(() => place.close());
  return place;
}

async function answers(port: number | null, ca: string): Promise<boolean> {
  const socket = connect({ host: "127.0.0.1", port: port ?? 0, ca, servername: "renewd.test" });
  const answered = await once(socket, "secureConnect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  return answered;
}

it("a certificate that is being written keeps it where it is, also if the files of there are gone", async () => {
  const directory = await mkdtemp(join(tmpdir(), "renewd-web-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const root = await createRoot();
  const { certPem, keyPem } = await root.issue({ names: ["renewd.test"] });
  const at = async (name: string): Promise<WebConfig> => {
    const tls = { certificate: join(directory, `${name}.pem`), key: join(directory, `${name}.key`) };
    await writeFile(tls.certificate, certPem);
    await writeFile(tls.key, keyPem);
    return { ...REST, host: "127.0.0.1", port: await freePort(), tls };
  };
  const [before, after] = [await at("before"), await at("after")];
  const place = await opened(before);
  await rm(before.tls?.certificate ?? "");
  await writeFile(after.tls?.certificate ?? "", certPem.slice(0, 300));
  await expect(place.move(after)).rejects.toMatchObject({ code: "web.files" });
  expect(await answers(before.port, root.certPem)).toBe(true);
  await writeFile(after.tls?.certificate ?? "", certPem);
  await place.move(after);
  expect(await answers(after.port, root.certPem)).toBe(true);
  expect(await answers(before.port, root.certPem)).toBe(false);
});

it("a port that was taken is tried again by the next reload of the same file", async () => {
  const plain = (port: number): WebConfig => ({ ...REST, host: "127.0.0.1", port, tls: null });
  const [first, second] = [await freePort(), await freePort()];
  const place = await opened(plain(first));
  const other = createServer().listen(second, "127.0.0.1");
  await once(other, "listening");
  await expect(place.move(plain(second))).rejects.toMatchObject({ code: "web.address" });
  expect(await (await fetch(`http://127.0.0.1:${first}`)).text()).toBe("here");
  other.close();
  await once(other, "close");
  await place.move(plain(second));
  expect(await (await fetch(`http://127.0.0.1:${second}`)).text()).toBe("here");
});
