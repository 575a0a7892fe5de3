import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createIssuer, type IssuerOptions } from "../../src/acme/issuer.ts";
import { RenewalError } from "../../src/domain/errors.ts";
import type { IssueRequest, IssueResult, Issuer, Solver } from "../../src/domain/issuer.ts";
import { http01 } from "../../src/solvers/http01.ts";
import { startHttp01Responder } from "../../src/web/http01.ts";
import type { Listener } from "../../src/web/listen.ts";
import { type ProxyAnswer, startAcmeProxy } from "../support/ca/acmeProxy.ts";
import { type CaddyCa, startCaddyCa } from "../support/ca/caddyCa.ts";
import { named } from "../support/dns/dependencies.ts";
import {
  type MemoryChallenges,
  type MemoryProgress,
  memoryAccounts,
  memoryChallenges,
  memoryProgress,
} from "../support/model/orderMemory.ts";
import { issuerOptions, request, running } from "./caFixture.ts";

const NAMES = Array.from({ length: 12 }, (_, index) => `host-${index}.renewd.test`);
const [FIRST = "", SECOND = ""] = NAMES;

let ca: CaddyCa;
let responder: Listener;
let challenges: MemoryChallenges;
let solver: Solver;
let issuer: Issuer;
beforeAll(async () => {
  challenges = memoryChallenges();
  responder = await startHttp01Responder({ host: "127.0.0.1", port: 0, challenges });
  ca = await startCaddyCa({ httpPort: responder.port, names: NAMES });
  solver = http01.create({}, { challenges, now: Date.now });
  issuer = newIssuer();
}, 40_000);
afterAll(async () => {
  await ca.stop();
  await responder.close();
});

function newIssuer(change: Partial<IssuerOptions> = {}): Issuer {
  return createIssuer(
    { ...issuerOptions(ca), name: "caddy", contact: [], ...change },
    { accounts: memoryAccounts(), now: Date.now },
  );
}

/** Again after what the table of errors calls passing, as the state machine does, but without its waits. */
async function persist(
  asked: IssueRequest,
  progress: MemoryProgress,
  failures: RenewalError[],
  by: Issuer = issuer,
): Promise<IssueResult> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await by.issue(asked, progress, [named(solver)], running());
    } catch (error) {
      if (!(error instanceof RenewalError) || error.facts.class !== "transient" || attempt === 30) throw error;
      failures.push(error);
    }
  }
}

async function temporaryFile(home: string, name: string, content: string): Promise<string> {
  const path = join(home, name);
  await writeFile(path, content);
  return path;
}

describe("Caddy's acme_server", () => {
  it("issues a checked pair by http-01, which OpenSSL finds whole", async () => {
    const { leaf, leafPem, chainPem } = await persist(request([FIRST, SECOND]), memoryProgress(), []);
    expect(leaf.identifiers.map(({ value }) => value).toSorted()).toEqual([FIRST, SECOND]);
    expect(leaf.issuerName).toContain("Caddy Local Authority");
    const home = await mkdtemp(join(tmpdir(), "renewd-caddy-files-"));
    const [root, chain] = [
      await temporaryFile(home, "root", ca.trustPem),
      await temporaryFile(home, "chain", chainPem.join("")),
    ];
    const verified = execFileSync(
      "openssl",
      ["verify", "-CAfile", root, "-untrusted", chain, await temporaryFile(home, "leaf", leafPem)],
      {
        encoding: "utf8",
      },
    );
    await rm(home, { recursive: true });
    expect(verified).toContain("OK");
    expect(challenges.seen.length).toBeGreaterThanOrEqual(2);
    expect(challenges.stored.size).toBe(0);
  });

  it("renews with a new key", async () => {
    const [before, after] = [
      await persist(request([FIRST]), memoryProgress(), []),
      await persist(request([FIRST]), memoryProgress(), []),
    ];
    expect(after.leaf.serial).not.toBe(before.leaf.serial);
    const fingerprint = ({ privateKey }: IssueResult): string =>
      createHash("sha256").update(privateKey.reveal()).digest("hex");
    expect(fingerprint(after)).not.toBe(fingerprint(before));
  });

  it("revokes what it issued, and once more is harmless", async () => {
    const { leafPem, privateKey } = await persist(request([FIRST]), memoryProgress(), []);
    for (let time = 0; time < 2; time++)
      expect(await issuer.revoke?.({ leafPem, privateKey, reason: "superseded" }, running())).toBe("account");
  });

  it("never gives a challenge up: its report so far is the outcome at the deadline, and the order is kept", async () => {
    const progress = memoryProgress();
    const attempt = newIssuer({ orderTimeoutMs: 1_500 }).issue(
      request(["nowhere.renewd.test"]),
      progress,
      [named(solver)],
      running(),
    );
    await expect(attempt).rejects.toMatchObject({
      code: "acme.challengeConnection",
      message: expect.stringContaining("could not validate nowhere.renewd.test"),
    });
    expect(progress.events.filter(({ type }) => type === "challenge.failed")).toHaveLength(1);
    expect(progress.state.orderUrl).not.toBeNull();
    expect(challenges.stored.size).toBe(0);
  });

  it("answers 500 to some of many orders at once, which end well when tried again: each ordered once", async () => {
    // How many Caddy answers so is up to the machine's load, so every third order meets one for sure.
    await using front = await startAcmeProxy(ca);
    const fails = new Set(NAMES.filter((_, index) => index % 3 === 0));
    let injected = 0;
    front.intercept = async ({ path, payload }, forward) => {
      const name = /\/order\/[^/]+\/finalize$/.test(path) ? nameInRequest(payload) : undefined;
      if (name === undefined || !fails.delete(name)) return null;
      injected++;
      return serverInternal(await forward());
    };
    const throughFront = newIssuer({ directory: front.directory, trustPem: front.trustPem });
    const failures: RenewalError[] = [];
    const orders = NAMES.map((name) => ({ asked: request([name]), progress: memoryProgress() }));
    const results = await Promise.all(
      orders.map(({ asked, progress }) => persist(asked, progress, failures, throughFront)),
    );
    expect(new Set(results.map(({ leaf }) => leaf.serial)).size).toBe(NAMES.length);
    for (const { progress } of orders)
      expect(progress.events.filter(({ type }) => type === "order.created")).toHaveLength(1);
    expect(injected).toBe(4);
    expect(failures.length).toBeGreaterThanOrEqual(injected);
    for (const failure of failures)
      expect(failure).toMatchObject({ code: "acme.server", message: expect.stringContaining("serverInternal") });
  });
});

/** The first DNS name in a finalize request's CSR. */
function nameInRequest(payload: unknown): string | undefined {
  const csr = typeof payload === "object" && payload !== null && "csr" in payload ? String(payload.csr) : "";
  return /host-\d+\.renewd\.test/.exec(Buffer.from(csr, "base64url").toString("latin1"))?.[0];
}

/** As Caddy words it, although it has done what was asked. */
function serverInternal({ headers }: ProxyAnswer): ProxyAnswer {
  const body = {
    type: "urn:ietf:params:acme:error:serverInternal",
    detail: "The server experienced an internal error",
  };
  const { "content-length": _length, "content-type": _type, ...rest } = headers;
  return {
    status: 500,
    headers: { ...rest, "content-type": "application/problem+json" },
    body: JSON.stringify(body),
  };
}
