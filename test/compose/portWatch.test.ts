import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, utimes } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { directoryMark } from "../../src/compose/directoryMark.ts";
import { portHolders, withHolder } from "../../src/compose/portHolder.ts";
import { listenerAt, type SharedListener, sharedPort } from "../../src/compose/portWatch.ts";
import { RenewalError } from "../../src/domain/errors.ts";
import { startDnsServer } from "../../src/solvers/dns/server/server.ts";
import { startHttp01Responder } from "../../src/web/http01.ts";
import { startTlsAlpn01Responder } from "../../src/web/tlsAlpn01.ts";
import { freePort } from "../support/freePort.ts";

const NO_SIGNAL = new AbortController().signal;
const challenges = { get: async () => null };
const host = "127.0.0.1";
const ZONE = { name: "acme.example.org", nameServers: [{ name: "ns.example.org", addresses: [] }], caa: [] };
const ours = async () => new Set([process.pid]);

const LISTENERS = {
  http01: (identity: string, port: number) => startHttp01Responder({ host, port, challenges, identity }),
  tlsAlpn01: (identity: string, port: number) =>
    startTlsAlpn01Responder({ host, port, challenges, identity, now: Date.now }),
  dnsServer: (identity: string, port: number) =>
    startDnsServer({ hosts: [host], port, zones: () => [ZONE], lookUp: async () => [], identity }),
} as const satisfies Record<SharedListener, unknown>;

describe.each(["http01", "tlsAlpn01", "dnsServer"] as const)("one port of two installations (%s):", (listener) => {
  it("both notice, and two processes of one installation do not", async () => {
    const start = LISTENERS[listener];
    const port = await freePort();
    const ask = (identity: string) => sharedPort({ listener, at: { host, port }, identity, ours }, NO_SIGNAL);
    const first = await start("ours", port);
    const sibling = await start("ours", port);
    expect(await ask("ours")).toBeNull();
    await sibling.close();
    const other = await start("theirs", port);
    expect(await ask("ours")).toMatchObject({
      message: expect.stringMatching(`another installation \\(id theirs\\) listens on port ${port} of the .* as well`),
      action: expect.stringContaining(`sport = :${port}`),
    });
    expect(await ask("theirs")).toMatchObject({ message: expect.stringContaining("(id ours)") });
    await first.close();
    await other.close();
    expect(await ask("ours"), "nobody answers").toBeNull();
  });
});

test("a process without the right to the port finds who has it", async () => {
  const responder = await startHttp01Responder({ host, port: 0, challenges, identity: "ours" });
  const at = { host, port: responder.port };
  expect(await listenerAt(at, NO_SIGNAL)).toBe("renewd");
  await responder.close();
  expect(await listenerAt(at, NO_SIGNAL)).toBeNull();
});

test("the process that has a port is named by its configuration file, or else by its program", async () => {
  const listen = `require("node:net").createServer().listen(0, "${host}", function () { console.log(this.address().port) })`;
  const child = spawn(process.execPath, ["-e", listen, "--", "--token", "secret", "--config", "/etc/other.yaml"]);
  const [line]: unknown[] = await once(child.stdout, "data");
  const port = Number(String(line));
  expect(await portHolders(port, await ours())).toBe(`process ${child.pid} with /etc/other.yaml`);
  const taken = new RenewalError("web.address", "web: another program listens there");
  expect((await withHolder(taken, port)).message).toMatch(`${taken.message}. That is process ${child.pid}`);
  child.kill();
  await once(child, "exit");
  const own = createServer().listen(0, host);
  await once(own, "listening");
  const address = own.address();
  const ownPort = typeof address === "object" && address !== null ? address.port : 0;
  expect(await portHolders(ownPort, await ours())).toBeNull();
  expect(await portHolders(ownPort, new Set())).toMatch(new RegExp(`^process ${process.pid} \\(`));
  own.close();
});

test("two installations in one data directory notice each other until one has gone", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "renewd-mark-"));
  const first = directoryMark(dataDir, "aaaa", "/etc/a.yaml");
  const second = directoryMark(dataDir, "bbbb", "/etc/b.yaml");
  expect(await first.check()).toBeNull();
  expect(await second.check()).toMatchObject({ message: expect.stringContaining("with /etc/a.yaml) uses the data") });
  expect(await first.check()).toMatchObject({ message: expect.stringContaining("with /etc/b.yaml) uses the data") });
  await second.close();
  expect(await first.check()).toBeNull();
  // One that was killed leaves its mark, which grows old.
  await second.check();
  await utimes(join(dataDir, "installation-bbbb"), new Date(), new Date(Date.now() - 60_000));
  expect(await first.check()).toBeNull();
  expect(await readdir(dataDir)).toEqual(["installation-aaaa"]);
  await rm(dataDir, { recursive: true });
});
