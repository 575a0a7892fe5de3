import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { DeployReceipt } from "../../../src/domain/deployment.ts";
import { RenewalError } from "../../../src/domain/errors.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { freePort } from "../../support/freePort.ts";
import { type FailingProxy, startFailingProxy } from "../../support/model/failingProxy.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { storedFingerprint } from "../../support/servers/served.ts";
import { type Sshd, startSshd } from "../../support/servers/sshd.ts";
import { loginTo, type Options, sshTarget } from "../../support/servers/sshTarget.ts";
import { startTcpServer } from "../../support/servers/tlsServer.ts";

const NEVER = new AbortController().signal;
const CUTS = 20;

describe("ssh over a failing network", () => {
  let sshd: Sshd;
  let proxy: FailingProxy;
  let issuer: PairIssuer;
  let root: string;
  beforeAll(async () => {
    sshd = await startSshd();
    proxy = await startFailingProxy(sshd.port);
    issuer = await createPairIssuer();
  });
  afterAll(async () => {
    await proxy?.[Symbol.asyncDispose]();
    await sshd?.[Symbol.asyncDispose]();
  });
  beforeEach(async () => {
    proxy.failure = null;
    root = await mkdtemp(join(tmpdir(), "renewd-ssh-"));
  });
  afterEach(() => rm(root, { recursive: true }));

  const issue = (generation: number) => issuer.issue({ certificate: "www", generation });
  const deploy = (pair: IssuedCertificate, options: Options = {}, signal = NEVER): Promise<DeployReceipt> =>
    sshTarget(
      { ...loginTo(sshd), port: proxy.port, directory: root, fullchain: "f.pem", privkey: "k.pem", ...options },
      { SSH_KEY: sshd.keys.login },
    ).deploy({ pair, previous: null }, signal);
  const stored = () => storedFingerprint(join(root, "f.pem"), join(root, "k.pem"));

  it("finishes with the next attempt, wherever the connection was cut", async () => {
    await deploy(await issue(1));
    await deploy(await issue(2));
    const all = proxy.bytes;
    const outcomes: unknown[] = [];
    for (let cut = 1; cut <= CUTS; cut++) {
      const pair = await issue(2 + cut);
      proxy.failure = { how: "cut", afterBytes: Math.floor((all * cut) / (CUTS + 1)) };
      const outcome = await deploy(pair).then(
        () => "deployed",
        (error: unknown) => (error instanceof RenewalError ? error.code : error),
      );
      outcomes.push(outcome);
      // Cut while it tidied up: by then the pair was in place.
      if (outcome === "deployed") expect(await stored()).toBe(pair.leaf.fingerprint);
      proxy.failure = null;
      await deploy(pair);
      expect(await stored()).toBe(pair.leaf.fingerprint);
    }
    expect(outcomes.filter((outcome) => outcome !== "deployed" && outcome !== "deploy.unreachable")).toEqual([]);
    expect(outcomes.filter((outcome) => outcome === "deploy.unreachable").length).toBeGreaterThan(CUTS / 2);
  });

  it("bounds the wait for an answer, and stops soon when asked to", async () => {
    const serving = await issue(1);
    await deploy(serving);
    await deploy(serving);
    const half = Math.floor(proxy.bytes * 0.8);
    proxy.failure = { how: "silence", afterBytes: half };
    await expect(deploy(await issue(2), { timeout: "500ms" })).rejects.toMatchObject({
      code: "deploy.timeout",
      message: expect.stringContaining("0.5 s"),
    });

    const controller = new AbortController();
    const stop = new Error("stop");
    const started = performance.now();
    const running = deploy(await issue(2), {}, controller.signal);
    const reached = expect.poll(() => proxy.bytes, { timeout: 20_000 }).toBeGreaterThanOrEqual(half);
    await reached;
    controller.abort(stop);
    await expect(running).rejects.toBe(stop);
    expect(performance.now() - started).toBeLessThan(25_000);
    expect(await stored()).toBe(serving.leaf.fingerprint);
  });

  it("distinguishes a machine that is down from one that hangs", async () => {
    const pair = await issue(1);
    await expect(deploy(pair, { port: await freePort() })).rejects.toMatchObject({ code: "deploy.unreachable" });
    await using silent = await startTcpServer(() => {});
    await expect(deploy(pair, { port: silent.port, timeout: "300ms" })).rejects.toMatchObject({
      code: "deploy.timeout",
      message: expect.stringContaining("0.3 s"),
    });
    await using rude = await startTcpServer((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    await expect(deploy(pair, { port: rude.port })).rejects.toMatchObject({ code: "deploy.unreachable" });
  });

  it("ends at once with the caller's reason while a machine hangs", async () => {
    await using silent = await startTcpServer(() => {});
    const controller = new AbortController();
    const stop = new Error("stop");
    const running = deploy(await issue(1), { port: silent.port }, controller.signal);
    setImmediate(() => controller.abort(stop));
    await expect(running).rejects.toBe(stop);
  });
});
