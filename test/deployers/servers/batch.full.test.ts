import { appendFile, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { nginx } from "../../../src/deployers/servers/nginx.ts";
import type { Deployer, DeployRequest } from "../../../src/domain/deployer.ts";
import type { DeployReceipt } from "../../../src/domain/deployment.ts";
import type { IssuedCertificate } from "../../../src/domain/version.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { type Nginx, startNginx } from "../../support/servers/nginx.ts";
import { servedFingerprint, storedFingerprint } from "../../support/servers/served.ts";
import { until, within } from "../../support/until.ts";

const NEVER = new AbortController().signal;
const NAMES = Array.from({ length: 10 }, (_, index) => `site${index}`);
/** nginx refuses it, and the check of the pair does not see it: only the chain is broken. */
const BROKEN_CHAIN = ["-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"];

describe("several certificates of one server", () => {
  let server: Nginx;
  let issuer: PairIssuer;
  let generation = 0;
  beforeAll(async () => {
    issuer = await createPairIssuer();
    const entries = NAMES.map(async (name) => {
      const pair = await issuer.issue({ certificate: name, generation: 0 });
      const block = { serverNames: [`${name}.test`], certPem: pair.leafPem, keyPem: pair.privateKey.reveal() };
      return [name, block] as const;
    });
    server = await startNginx({ certificates: Object.fromEntries(await Promise.all(entries)), bundle: true });
  });
  afterAll(() => server?.stop());
  beforeEach(() => {
    generation += 10;
  });

  const issue = (certificate: string, above = 0) => issuer.issue({ certificate, generation: generation + above });
  const stored = (certificate: string) => storedFingerprint(join(server.directory, certificate, "bundle.pem"));

  /** An nginx whose calls are counted and whose check takes its time. */
  async function counting(checkSeconds: number) {
    const [binary, log] = [join(server.prefix, `counting-${generation}`), join(server.prefix, `calls-${generation}`)];
    await writeFile(log, "");
    const script = [
      "#!/bin/sh",
      `case "$*" in *reload*) echo reload >>${log};; *-t*) echo check >>${log}; sleep ${checkSeconds};; esac`,
      'exec nginx "$@"',
    ];
    await writeFile(binary, `${script.join("\n")}\n`, { mode: 0o755 });
    const parsed = nginx.options.parse({
      ...{ bundle: `${server.directory}/{certificate}/bundle.pem`, binary },
      ...{ configFile: server.configFile, prefix: server.prefix },
    });
    const calls = async (kind: "check" | "reload") =>
      (await readFile(log, "utf8")).split("\n").filter((line) => line === kind).length;
    return { deployer: nginx.create(parsed, dependencies("edge")), calls };
  }

  const deployAll = (deployer: Deployer, pairs: readonly IssuedCertificate[], signal = NEVER) =>
    Promise.allSettled(pairs.map((pair) => deployer.deploy({ pair, previous: null }, signal)));

  it("share checks and reloads, so that none waits for nine checks of three seconds", async () => {
    const { deployer, calls } = await counting(3);
    const pairs = await Promise.all(NAMES.map((name) => issue(name)));
    const outcomes = await deployAll(deployer, pairs);
    expect(outcomes.map(({ status }) => status)).toEqual(NAMES.map(() => "fulfilled"));
    expect(await calls("check")).toBeLessThanOrEqual(2);
    expect(await calls("reload")).toBeLessThanOrEqual(2);
    for (const pair of pairs)
      await expect
        .poll(() => servedFingerprint(server.port, `${pair.certificate}.test`), { timeout: 15_000 })
        .toBe(pair.leaf.fingerprint);
  });

  it("wait for a check that runs, and then go together", async () => {
    const { deployer, calls } = await counting(1);
    const [first, ...others] = await Promise.all(NAMES.map((name) => issue(name)));
    const leading = deployAll(deployer, first === undefined ? [] : [first]);
    await until("the first check to begin", async () => ((await calls("check")) === 1 ? true : null));
    const outcomes = [...(await deployAll(deployer, others)), ...(await leading)];
    expect(outcomes.filter(({ status }) => status === "fulfilled")).toHaveLength(NAMES.length);
    expect([await calls("check"), await calls("reload")]).toEqual([2, 2]);
  });

  it("do not fail with the one whose pair the server refuses, which keeps its previous pair", async () => {
    const { deployer, calls } = await counting(0);
    const before = await stored("site6");
    const pairs = await Promise.all(NAMES.map((name) => issue(name)));
    const sent = pairs.map((pair) => (pair.certificate === "site6" ? { ...pair, chainPem: BROKEN_CHAIN } : pair));
    const outcomes = await deployAll(deployer, sent);
    expect(NAMES.filter((_, index) => outcomes[index]?.status === "rejected")).toEqual(["site6"]);
    expect(outcomes[6]).toMatchObject({ reason: { code: "deploy.commandFailed" } });
    for (const { certificate, leaf } of pairs)
      expect(await stored(certificate)).toBe(certificate === "site6" ? before : leaf.fingerprint);
    // All, once without them, then halves: 10 = 5 + 5, 5 = 3 + 2, 2 = 1 + 1 at most.
    expect(await calls("check")).toBeLessThanOrEqual(10);
    expect(await calls("reload")).toBeLessThanOrEqual(2);
  });

  it("go on when one of them is cancelled, which ends at once", async () => {
    const { deployer } = await counting(2);
    const [cancelled, other] = [await issue("site1"), await issue("site2")];
    const controller = new AbortController();
    const stop = new Error("stop");
    const leaving = deployer.deploy({ pair: cancelled, previous: null }, controller.signal).catch((error) => error);
    const staying = deployer.deploy({ pair: other, previous: null }, NEVER);
    controller.abort(stop);
    expect(await within("the cancelled one to end", leaving, 1_500)).toBe(stop);
    await expect(staying).resolves.toMatchObject({ fingerprint: other.leaf.fingerprint });
    expect(await stored("site2")).toBe(other.leaf.fingerprint);
  });

  it("end the check and put their pairs back when all are cancelled", async () => {
    const { deployer, calls } = await counting(600);
    const before = [await stored("site1"), await stored("site2")];
    const controller = new AbortController();
    const stop = new Error("stop");
    const leaving = deployAll(deployer, [await issue("site1"), await issue("site2")], controller.signal);
    await until("the check to begin", async () => ((await calls("check")) === 1 ? true : null));
    controller.abort(stop);
    expect(
      (await within("both to end", leaving, 10_000)).map((outcome) => "reason" in outcome && outcome.reason),
    ).toEqual([stop, stop]);
    expect([await stored("site1"), await stored("site2")]).toEqual(before);
  });

  it("never carry two generations of one certificate together: the newer one stays", async () => {
    const { deployer } = await counting(0);
    const [older, newer] = [await issue("site3"), await issue("site3", 1)];
    const [, last] = await deployAll(deployer, [older, newer]);
    expect(last).toMatchObject({ status: "fulfilled" });
    expect(await stored("site3")).toBe(newer.leaf.fingerprint);
    const [refused] = await deployAll(deployer, [older]);
    expect(refused).toMatchObject({ reason: { code: "deploy.newerGeneration" } });
  });

  it("refuse an older generation alone", async () => {
    const { deployer } = await counting(0);
    const [older, newer, other] = [await issue("site4"), await issue("site4", 1), await issue("site5")];
    await deployAll(deployer, [newer]);
    const [refused, deployed] = await deployAll(deployer, [older, other]);
    expect(refused).toMatchObject({ reason: { code: "deploy.newerGeneration" } });
    expect(deployed).toMatchObject({ status: "fulfilled" });
    expect(await stored("site4")).toBe(newer.leaf.fingerprint);
  });

  it("are neither checked nor reloaded when only the definition changed and every file is as wanted", async () => {
    const { deployer, calls } = await counting(0);
    const [pair, other] = [await issue("site7"), await issue("site8")];
    const previous = await deployer.deploy({ pair, previous: null }, NEVER);
    expect([await calls("check"), await calls("reload")]).toEqual([1, 1]);

    const again = await deployer.deploy({ pair, previous, onlyIfChanged: true }, NEVER);
    expect(again).toEqual({ ...previous, note: "no file changed, so the server was not reloaded" });
    expect(await deployer.deploy({ pair, previous: again, onlyIfChanged: true }, NEVER)).toEqual(again);
    expect([await calls("check"), await calls("reload")]).toEqual([1, 1]);
    // Old workers answer for a moment after a reload.
    await expect.poll(() => servedFingerprint(server.port, "site7.test")).toBe(pair.leaf.fingerprint);

    // A pair beside it that is new does not wait for it, nor is it left without its reload.
    await Promise.all([
      deployer.deploy({ pair, previous, onlyIfChanged: true }, NEVER),
      deployer.deploy({ pair: other, previous: null, onlyIfChanged: true }, NEVER),
    ]);
    expect([await calls("check"), await calls("reload")]).toEqual([2, 2]);
  });

  it.each<[string, (previous: DeployReceipt) => Partial<DeployRequest>, (file: string) => Promise<void>]>([
    ["the target drifted or a person asked for it", () => ({ onlyIfChanged: false }), async () => {}],
    ["the last success was another pair", (previous) => ({ previous: { ...previous, generation: 1 } }), async () => {}],
    ["the last success was another file", (previous) => ({ previous: { ...previous, file: "/x" } }), async () => {}],
    ["there was no success yet", () => ({ previous: null }), async () => {}],
    ["a file has other contents", () => ({}), (file) => appendFile(file, "\n")],
  ])("are reloaded with the same files when %s", async (_, patch, before) => {
    const { deployer, calls } = await counting(0);
    const pair = await issue("site9");
    const previous = await deployer.deploy({ pair, previous: null }, NEVER);
    await before(join(server.directory, "site9", "bundle.pem"));
    const receipt = await deployer.deploy({ pair, previous, onlyIfChanged: true, ...patch(previous) }, NEVER);
    expect(receipt).toEqual(previous);
    expect([await calls("check"), await calls("reload")]).toEqual([2, 2]);
  });
});
