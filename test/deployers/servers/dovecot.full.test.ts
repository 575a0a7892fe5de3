import { readFile, writeFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { dovecot } from "../../../src/deployers/servers/dovecot.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { type Layout, pairPaths } from "../../support/pairs/pairDirectory.ts";
import { plantFiles } from "../../support/pairs/plantFiles.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { type Dovecot, startDovecot } from "../../support/servers/dovecot.ts";
import { servedFingerprint, storedFingerprint } from "../../support/servers/served.ts";

const NEVER = new AbortController().signal;

function make(server: Dovecot, layout: Layout, more: Record<string, unknown> = {}): Deployer {
  const options = { ...pairPaths(server.directory, layout).options, configFile: server.configFile, ...more };
  return dovecot.create(dovecot.options.parse(options), dependencies("mailbox"));
}

async function start(issuer: PairIssuer, layout: Layout): Promise<Dovecot> {
  const pair = await issuer.issue({ certificate: "before", generation: 0 });
  return await startDovecot({ pair: { certPem: pair.leafPem, keyPem: pair.privateKey.reveal() }, layout });
}

for (const layout of ["pair", "bundle"] as const) {
  deployerConformance(`dovecot (${layout})`, async (issuer) => {
    const server = await start(issuer, layout);
    return {
      deployer: make(server, layout),
      served: () => servedFingerprint(server.port, "imap.test"),
      stored: () => storedFingerprint(...pairPaths(server.directory, layout).files),
      plant: (planted) => plantFiles(planted, ...pairPaths(server.directory, layout).files),
      async breakDown() {
        const good = await readFile(server.configFile, "utf8");
        await writeFile(server.configFile, `${good}\nnonsense = yes\n`);
        return { code: "deploy.commandFailed", mend: () => writeFile(server.configFile, good) };
      },
      [Symbol.asyncDispose]: () => server.stop(),
    };
  });
}

describe("dovecot", () => {
  let issuer: PairIssuer;
  let server: Dovecot;
  beforeAll(async () => {
    issuer = await createPairIssuer();
    server = await start(issuer, "pair");
  });
  afterAll(() => server?.stop());

  const stored = () => storedFingerprint(...pairPaths(server.directory, "pair").files);

  it("puts the previous pair back when Dovecot refuses the configuration, and says what Dovecot said", async () => {
    const before = await stored();
    const good = await readFile(server.configFile, "utf8");
    await writeFile(server.configFile, `${good}\nnonsense = yes\n`);
    const pair = await issuer.issue({ certificate: "mailbox", generation: 1 });
    try {
      await expect(make(server, "pair").deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject({
        code: "deploy.commandFailed",
        message: expect.stringMatching(/^`dovecot .*-n` ended with exit code 89: .*Unknown setting: /),
      });
    } finally {
      await writeFile(server.configFile, good);
    }
    expect(await stored()).toBe(before);
  });

  it("says that a stopped Dovecot was not reloaded, and keeps the pair ready for its start", async () => {
    const idle = `${server.configFile}.idle`;
    await writeFile(
      idle,
      (await readFile(server.configFile, "utf8")).replace(/^base_dir = .*$/m, `base_dir = ${server.directory}/idle`),
    );
    const pair = await issuer.issue({ certificate: "mailbox", generation: 2 });
    await expect(
      make(server, "pair", { configFile: idle }).deploy({ pair, previous: null }, NEVER),
    ).rejects.toMatchObject({
      code: "deploy.commandFailed",
      message: expect.stringContaining("Dovecot is not running"),
    });
    expect(await stored()).toBe(pair.leaf.fingerprint);
  });
});
