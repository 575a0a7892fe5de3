import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { postfix } from "../../../src/deployers/servers/postfix.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { plantFiles } from "../../support/pairs/plantFiles.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { type Postfix, startPostfix } from "../../support/servers/postfix.ts";
import { servedFingerprint, storedFingerprint } from "../../support/servers/served.ts";

const NEVER = new AbortController().signal;

function make(server: Postfix, more: Record<string, unknown> = {}): Deployer {
  const options = { bundle: join(server.directory, "bundle.pem"), configDirectory: server.configDirectory, ...more };
  return postfix.create(postfix.options.parse(options), dependencies("mail"));
}

async function start(issuer: PairIssuer): Promise<Postfix> {
  const pair = await issuer.issue({ certificate: "before", generation: 0 });
  return await startPostfix({ certPem: pair.leafPem, keyPem: pair.privateKey.reveal() });
}

deployerConformance("postfix", async (issuer) => {
  const server = await start(issuer);
  // A copy for the deployer's commands, which find the running instance by its queue. A broken main.cf of its own would
  // also end whichever service starts just then, and Postfix holds such a service back for a minute.
  const copy = `${server.configDirectory}-copy`;
  await cp(server.configDirectory, copy, { recursive: true });
  const main = join(copy, "main.cf");
  return {
    deployer: make(server, { configDirectory: copy }),
    served: () => servedFingerprint(server.port, "mail.test"),
    stored: () => storedFingerprint(join(server.directory, "bundle.pem")),
    plant: (planted) => plantFiles(planted, join(server.directory, "bundle.pem")),
    async breakDown() {
      const good = await readFile(main, "utf8");
      await writeFile(main, `${good}\nnonsense\n`);
      return { code: "deploy.commandFailed", mend: () => writeFile(main, good) };
    },
    [Symbol.asyncDispose]: () => server.stop(),
  };
});

describe("postfix", () => {
  let issuer: PairIssuer;
  let server: Postfix;
  beforeAll(async () => {
    issuer = await createPairIssuer("rsa-2048");
    server = await start(issuer);
  });
  afterAll(() => server?.stop());

  it("serves an RSA pair too, and has no complaint about it in its log", async () => {
    const pair = await issuer.issue({ certificate: "mail", generation: 1 });
    await make(server).deploy({ pair, previous: null }, NEVER);
    await expect
      .poll(() => servedFingerprint(server.port, "mail.test"), { timeout: 15_000 })
      .toBe(pair.leaf.fingerprint);
    expect(server.output()).toContain("reload");
    expect(server.output()).not.toMatch(/warning.*(?:TLS|certificate|key)/i);
  });

  it("tells of a Postfix that does not run, starts none, and keeps the pair ready for its start", async () => {
    const stopped = await start(issuer);
    const deployer = make(stopped);
    try {
      const pair = await issuer.issue({ certificate: "mail", generation: 2 });
      process.kill(stopped.pid, "SIGTERM");
      const refused = { code: "ECONNREFUSED" };
      await expect
        .poll(() => servedFingerprint(stopped.port, "mail.test").catch((error: unknown) => error), { timeout: 15_000 })
        .toMatchObject(refused);
      const unreachable = {
        code: "deploy.unreachable",
        message: expect.stringMatching(/ended with exit code 1.*does the mail system run/),
      };
      await expect(deployer.preflight?.("mail", null, NEVER)).rejects.toMatchObject(unreachable);
      await expect(deployer.deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject(unreachable);
      expect(await storedFingerprint(join(stopped.directory, "bundle.pem"))).toBe(pair.leaf.fingerprint);
      await expect(servedFingerprint(stopped.port, "mail.test")).rejects.toMatchObject(refused);
    } finally {
      await stopped.stop();
    }
  });

  it("says in preflight that the program is missing", async () => {
    await expect(make(server, { binary: "no-such-postfix" }).preflight?.("mail", null, NEVER)).rejects.toMatchObject({
      code: "deploy.commandFailed",
      message: expect.stringContaining("no-such-postfix"),
    });
  });

  it("takes one file only", () => {
    const two = postfix.options.safeParse({ fullchain: "/a/f.pem", privkey: "/a/k.pem" });
    expect(JSON.stringify(two.error?.issues)).toContain("bundle");
  });
});
