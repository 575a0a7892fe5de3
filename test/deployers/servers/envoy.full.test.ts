import { mkdir, mkdtemp, readFile, rename, rm, rmdir, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { envoy } from "../../../src/deployers/servers/envoy.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { type Envoy, startEnvoy } from "../../support/servers/envoy.ts";
import { servedFingerprint, storedFingerprint } from "../../support/servers/served.ts";

const NEVER = new AbortController().signal;
const EMPTY = '{"resources": []}';

interface Setup {
  readonly home: string;
  readonly path: string;
  readonly server: Envoy;
  stop(): Promise<void>;
}

async function start(certificate: string, extension: string): Promise<Setup> {
  const home = await mkdtemp(join(tmpdir(), "renewd-envoy-"));
  const path = join(home, `${certificate}${extension}`);
  await writeFile(path, EMPTY, { mode: 0o640 });
  const server = await startEnvoy({ path, secretName: `sds/${certificate}` });
  const stop = async (): Promise<void> => {
    await server[Symbol.asyncDispose]();
    await rm(home, { recursive: true, force: true });
  };
  return { home, path, server, stop };
}

function make({ home }: Setup, extension: string, more: Record<string, unknown> = {}): Deployer {
  const options = { file: `${home}/{certificate}${extension}`, secretName: "sds/{certificate}", ...more };
  return envoy.create(envoy.options.parse(options), dependencies("mesh"));
}

/** What Envoy will find there at its next start. */
async function stored({ home, path }: Setup): Promise<string | null> {
  const { resources } = JSON.parse(await readFile(path, "utf8"));
  if (resources.length === 0) return null;
  const { certificate_chain, private_key } = resources[0].tls_certificate;
  await writeFile(join(home, "stored.pem"), private_key.inline_string + certificate_chain.inline_string);
  return await storedFingerprint(join(home, "stored.pem"));
}

for (const extension of [".yaml", ".json"]) {
  deployerConformance(`envoy (${extension})`, async () => {
    const setup = await start("conform", extension);
    const record = join(setup.home, `.conform${extension}.renewd.json`);
    return {
      deployer: make(setup, extension),
      served: (certificate) => servedFingerprint(setup.server.port, `${certificate}.test`).catch(() => null),
      stored: () => stored(setup),
      async breakDown() {
        await rename(record, `${record}.away`);
        await mkdir(record);
        const mend = async (): Promise<void> => {
          await rmdir(record);
          await rename(`${record}.away`, record);
        };
        return { code: "deploy.refused", mend };
      },
      async [Symbol.asyncDispose]() {
        expect(setup.server.rejected()).toBe(0);
        await setup.stop();
      },
    };
  });
}

describe("envoy", () => {
  let setup: Setup;
  let issuer: PairIssuer;
  beforeEach(async () => {
    issuer = await createPairIssuer();
    setup = await start("www", ".yaml");
  });
  afterEach(() => setup.stop());

  const served = () => servedFingerprint(setup.server.port, "www.test").catch(() => null);
  const deploy = async (generation: number, more: Record<string, unknown> = {}) => {
    const pair = await issuer.issue({ certificate: "www", generation });
    await make(setup, ".yaml", more).deploy({ pair, previous: null }, NEVER);
    return pair;
  };

  it("tells Envoy which generation it has, and keeps who may read the file", async () => {
    const pair = await deploy(3);
    await expect.poll(served).toBe(pair.leaf.fingerprint);
    expect(setup.server.version()).toBe(`renewd www 3 ${pair.leaf.fingerprint}`);
    expect((await stat(setup.path)).mode & 0o777).toBe(0o640);
  });

  it("moves the file anew when asked again, as Envoy may not have been watching", async () => {
    const pair = await deploy(1);
    await expect.poll(served).toBe(pair.leaf.fingerprint);
    const before = await stat(setup.path);
    await make(setup, ".yaml").deploy({ pair, previous: null }, NEVER);
    expect((await stat(setup.path)).ino).not.toBe(before.ino);
    expect(await served()).toBe(pair.leaf.fingerprint);
  });

  it("is not heard under another secret's name, and Envoy keeps what it has", async () => {
    const serving = await deploy(1);
    await expect.poll(served).toBe(serving.leaf.fingerprint);
    await deploy(2, { secretName: "other" });
    await expect.poll(() => setup.server.rejected()).toBe(1);
    expect(await served()).toBe(serving.leaf.fingerprint);
  });

  it.each([
    ["another secret", JSON.stringify({ resources: [{ name: "sds/other" }] })],
    ["a second secret", JSON.stringify({ resources: [{ name: "sds/www" }, { name: "validation" }] })],
    ["YAML", "resources:\n- name: sds/www\n"],
    ["another kind of file", JSON.stringify({ static_resources: {} })],
  ])("refuses to overwrite a file with %s unless it is adopted", async (_what, foreign) => {
    await writeFile(setup.path, foreign);
    const refusal = { code: "deploy.refused", message: expect.stringContaining("`adopt: true`") };
    await expect(make(setup, ".yaml").preflight?.("www", null, NEVER)).rejects.toMatchObject(refusal);
    await expect(deploy(1)).rejects.toMatchObject(refusal);
    expect(await readFile(setup.path, "utf8")).toBe(foreign);
    const pair = await deploy(2, { adopt: true });
    expect(await stored(setup)).toBe(pair.leaf.fingerprint);
    const next = await deploy(3);
    expect(await stored(setup)).toBe(next.leaf.fingerprint);
  });

  it.each(["", "{}", EMPTY, "resources: []\n", "# for renewd\nversion_info: '0'\nresources:\n"])(
    "writes into a file that waits for its first secret: %j",
    async (placeholder) => {
      await writeFile(setup.path, placeholder);
      expect((await deploy(1)).leaf.fingerprint).toBe(await stored(setup));
    },
  );

  it.each([
    [{ file: "/a/b.pem" }, ".yaml"],
    [{ file: "b.yaml" }, "absolute"],
    [{ file: "/a/b.yaml", secretName: 'a"b' }, "letters"],
  ])("refuses the options %j", (wrong, why) => {
    const result = envoy.options.safeParse(wrong);
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
