// tls-alpn-01 with a real CA, which reaches renewd's responder through a HAProxy with the lines of docs/port80.md.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import type { Solver } from "../../src/domain/issuer.ts";
import { tlsAlpn01 } from "../../src/solvers/tlsAlpn01.ts";
import { startTlsAlpn01Responder } from "../../src/web/tlsAlpn01.ts";
import { named } from "../support/dns/dependencies.ts";
import { freePort } from "../support/freePort.ts";
import { memoryChallenges, memoryProgress } from "../support/model/orderMemory.ts";
import { until } from "../support/until.ts";
import { type CaFixture, request, running, startCa } from "./caFixture.ts";

const page = readFileSync(new URL("../../docs/port80.md", import.meta.url), "utf8");

/** Passes connections of CAs on to `responder`. */
async function haproxy(responder: number): Promise<number> {
  const section = page.slice(page.indexOf("## Port 443"));
  const [, lines = expect.unreachable()] = /```haproxy\n(.*?)```/s.exec(section) ?? [];
  const home = mkdtempSync(join(tmpdir(), "renewd-alpn-"));
  const port = await freePort();
  const file = join(home, "haproxy.cfg");
  const placed = lines
    .replace("bind :443", `bind 127.0.0.1:${port}`)
    .replace("127.0.0.1:8403", `127.0.0.1:${responder}`);
  writeFileSync(file, `defaults\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\n${placed}`);
  const child = spawn("haproxy", ["-db", "-f", file], {
    stdio: "ignore",
    env: { PATH: `${process.env.PATH}:/usr/sbin` },
  });
  const ended = once(child, "exit");
  onTestFinished(async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(home, { recursive: true, force: true });
  });
  await until("HAProxy to listen", async () => {
    const socket = connect(port, "127.0.0.1");
    const isOpen = await once(socket, "connect").then(
      () => true,
      () => null,
    );
    socket.destroy();
    return isOpen;
  });
  return port;
}

async function fixture() {
  const challenges = memoryChallenges();
  // Two of one port, as two processes have it: whichever the kernel picks answers.
  const first = await startTlsAlpn01Responder({ host: "127.0.0.1", port: 0, challenges, now: Date.now });
  const second = await startTlsAlpn01Responder({ host: "127.0.0.1", port: first.port, challenges, now: Date.now });
  const tlsPort = await haproxy(first.port);
  const ca = await startCa({ version: "2.10", tlsPort, env: { PEBBLE_AUTHZREUSE: "0" } });
  onTestFinished(async () => {
    await Promise.all([ca[Symbol.asyncDispose](), first.close(), second.close()]);
  });
  const solver = tlsAlpn01.create({}, { challenges, now: Date.now });
  return { ca, challenges, solver };
}

async function issued(ca: CaFixture, solver: Solver, names: readonly string[]) {
  const progress = memoryProgress();
  const { leaf } = await ca.issuer().issue(request(names), progress, [named(solver)], running());
  return { names: leaf.identifiers.map(({ value }) => value).toSorted(), progress };
}

it("Pebble validates DNS names and an IP address by tls-alpn-01, and nothing is left", {
  timeout: 60_000,
}, async () => {
  const { ca, challenges, solver } = await fixture();
  const { names, progress } = await issued(ca, solver, ["127.0.0.1", "a.example.org", "b.example.org"]);
  expect(names).toEqual(["127.0.0.1", "a.example.org", "b.example.org"]);
  const presented = progress.events.filter(({ type }) => type === "challenge.presented");
  expect(presented.map(({ detail }) => detail)).toEqual(
    expect.arrayContaining([{ identifier: "127.0.0.1", challenge: "tls-alpn-01" }]),
  );
  expect(presented).toHaveLength(3);
  expect(challenges.stored.size).toBe(0);

  // Two orders for one name: the second waits for the first, and the CA refuses none.
  const [one, two] = await Promise.allSettled(
    Array.from({ length: 2 }, () => issued(ca, solver, ["same.example.org"])),
  );
  const busy = [one, two].filter((each) => each?.status === "rejected");
  for (const each of busy) expect(each).toMatchObject({ reason: { code: "dns.busy" } });
  expect(busy.length).toBeLessThan(2);
  expect((await issued(ca, solver, ["same.example.org"])).names).toEqual(["same.example.org"]);

  // A wrong answer is the CA's to refuse.
  const wrong: Solver = {
    ...solver,
    present: (challenge, signal) => solver.present({ ...challenge, keyAuthorization: "wrong.answer" }, signal),
  };
  await expect(issued(ca, wrong, ["c.example.org"])).rejects.toMatchObject({ code: expect.stringMatching(/^acme\./) });
});
