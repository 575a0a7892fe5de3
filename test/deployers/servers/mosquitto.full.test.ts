import { readFile, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { mosquitto } from "../../../src/deployers/servers/mosquitto.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { type Layout, pairPaths } from "../../support/pairs/pairDirectory.ts";
import { plantFiles } from "../../support/pairs/plantFiles.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { type Mosquitto, startMosquitto } from "../../support/servers/mosquitto.ts";
import { servedFingerprint, storedFingerprint } from "../../support/servers/served.ts";
import { systemUser } from "../../support/system/systemUser.ts";

const NEVER = new AbortController().signal;
const OWNER = process.getuid?.() === 0 ? { owner: "mosquitto", group: "mosquitto" } : {};

function make(server: Mosquitto, layout: Layout, more: Record<string, unknown> = {}): Deployer {
  const options = { ...pairPaths(server.directory, layout).options, pidFile: server.pidFile, ...OWNER, ...more };
  return mosquitto.create(mosquitto.options.parse(options), dependencies("broker"));
}

async function start(issuer: PairIssuer, layout: Layout): Promise<Mosquitto> {
  const pair = await issuer.issue({ certificate: "before", generation: 0 });
  return await startMosquitto({ pair: { certPem: pair.leafPem, keyPem: pair.privateKey.reveal() }, layout });
}

for (const layout of ["pair", "bundle"] as const) {
  deployerConformance(`mosquitto (${layout})`, async (issuer) => {
    const server = await start(issuer, layout);
    return {
      deployer: make(server, layout),
      served: () => servedFingerprint(server.port, "mqtt.test"),
      stored: () => storedFingerprint(...pairPaths(server.directory, layout).files),
      plant: (planted) => plantFiles(planted, ...pairPaths(server.directory, layout).files),
      async breakDown() {
        const good = await readFile(server.pidFile, "utf8");
        await rm(server.pidFile);
        return { code: "deploy.unreachable", mend: () => writeFile(server.pidFile, good) };
      },
      [Symbol.asyncDispose]: () => server.stop(),
    };
  });
}

describe("mosquitto", () => {
  let issuer: PairIssuer;
  let server: Mosquitto;
  beforeAll(async () => {
    issuer = await createPairIssuer();
    server = await start(issuer, "pair");
  });
  afterAll(() => server?.stop());

  it("gives a first pair to the user who must read it, the key to nobody else", async () => {
    const pair = await issuer.issue({ certificate: "mqtt", generation: 1 });
    const below = {
      fullchain: join(server.directory, "{certificate}.crt"),
      privkey: join(server.directory, "{certificate}.key"),
    };
    await make(server, "pair", below).deploy({ pair, previous: null }, NEVER);
    const key = await stat(join(server.directory, "mqtt.key"));
    expect(key.mode & 0o7777).toBe(0o600);
    if (OWNER.owner !== undefined) expect({ uid: key.uid, gid: key.gid }).toEqual(await systemUser(OWNER.owner));
    expect((await stat(join(server.directory, "mqtt.crt"))).mode & 0o7777).toBe(0o644);
  });

  it("ends with the last of many pairs that follow each other at once", async () => {
    const deployer = make(server, "bundle", { bundle: join(server.directory, "rapid.pem") });
    const own = make(server, "pair");
    for (let generation = 10; generation < 20; generation++) {
      const [pair, other] = await Promise.all([
        issuer.issue({ certificate: "rapid", generation }),
        issuer.issue({ certificate: "other", generation }),
      ]);
      // The other pair's signal comes first, and Mosquitto may still be at it when this one is swapped.
      await deployer.deploy({ pair: other, previous: null }, NEVER);
      await own.deploy({ pair, previous: null }, NEVER);
      await expect
        .poll(() => servedFingerprint(server.port, "mqtt.test"), { timeout: 5_000 })
        .toBe(pair.leaf.fingerprint);
    }
  });

  it("signals nobody when the pid file is left over from a server that died", async () => {
    const leftOver = join(server.directory, "left-over.pid");
    await writeFile(leftOver, `${process.pid}\n`);
    const pair = await issuer.issue({ certificate: "mqtt", generation: 2 });
    const deployer = make(server, "pair", { pidFile: leftOver });
    const wrong = {
      code: "deploy.unreachable",
      message: expect.stringMatching(/left-over\.pid names process \d+, which is ".+" and not mosquitto/),
    };
    await expect(deployer.preflight?.("mqtt", null, NEVER)).rejects.toMatchObject(wrong);
    await expect(deployer.deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject(wrong);
  });
});
