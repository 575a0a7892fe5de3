import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { nginx } from "../../../src/deployers/servers/nginx.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { deployerConformance } from "../../conformance/deployer.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { plantFiles } from "../../support/pairs/plantFiles.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { type Nginx, startNginx } from "../../support/servers/nginx.ts";
import { servedFingerprint, storedFingerprint } from "../../support/servers/served.ts";

const NEVER = new AbortController().signal;

function make(server: Nginx, layout: "pair" | "bundle", more: Record<string, unknown> = {}): Deployer {
  const at = `${server.directory}/{certificate}`;
  const paths =
    layout === "pair"
      ? { fullchain: `${at}/fullchain.pem`, privkey: `${at}/privkey.pem` }
      : { bundle: `${at}/bundle.pem` };
  return nginx.create(
    nginx.options.parse({ ...paths, configFile: server.configFile, prefix: server.prefix, ...more }),
    dependencies("edge"),
  );
}

async function start(issuer: PairIssuer, names: readonly string[], bundle: boolean): Promise<Nginx> {
  const entries = names.map(async (name) => {
    const pair = await issuer.issue({ certificate: name, generation: 0 });
    return [name, { serverNames: [`${name}.test`], certPem: pair.leafPem, keyPem: pair.privateKey.reveal() }] as const;
  });
  return await startNginx({ certificates: Object.fromEntries(await Promise.all(entries)), bundle });
}

for (const layout of ["pair", "bundle"] as const) {
  deployerConformance(`nginx (${layout})`, async (issuer) => {
    const server = await start(issuer, ["conform"], layout === "bundle");
    const at = (certificate: string, file: string): string => join(server.directory, certificate, file);
    return {
      deployer: make(server, layout),
      served: (certificate) => servedFingerprint(server.port, `${certificate}.test`),
      stored: (certificate) =>
        layout === "bundle"
          ? storedFingerprint(at(certificate, "bundle.pem"))
          : storedFingerprint(at(certificate, "fullchain.pem"), at(certificate, "privkey.pem")),
      plant: (planted) =>
        layout === "bundle"
          ? plantFiles(planted, at("conform", "bundle.pem"))
          : plantFiles(planted, at("conform", "fullchain.pem"), at("conform", "privkey.pem")),
      async breakDown() {
        const good = await readFile(server.configFile, "utf8");
        await writeFile(server.configFile, `${good}\nnonsense;\n`);
        return { code: "deploy.commandFailed", mend: () => writeFile(server.configFile, good) };
      },
      [Symbol.asyncDispose]: () => server.stop(),
    };
  });
}

describe("nginx", () => {
  let server: Nginx;
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
    server = await start(issuer, ["www", "api"], false);
  });
  afterAll(() => server?.stop());

  const stored = (certificate: string) =>
    storedFingerprint(
      join(server.directory, certificate, "fullchain.pem"),
      join(server.directory, certificate, "privkey.pem"),
    );

  it("puts the previous pair and its generation back when nginx refuses the configuration, and says what nginx said", async () => {
    const [serving, pair] = [
      await issuer.issue({ certificate: "www", generation: 1 }),
      await issuer.issue({ certificate: "www", generation: 2 }),
    ];
    const deployer = make(server, "pair");
    await deployer.deploy({ pair: serving, previous: null }, NEVER);
    const good = await readFile(server.configFile, "utf8");
    await writeFile(server.configFile, `${good}\nnonsense;\n`);
    await expect(deployer.deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject({
      code: "deploy.commandFailed",
      message: expect.stringMatching(
        /^`nginx .*-t` ended with exit code 1: .*unknown directive "…" in \S+nginx\.conf:\d+/,
      ),
    });
    await writeFile(server.configFile, good);
    expect(await stored("www")).toBe(serving.leaf.fingerprint);
    expect(JSON.parse(await readFile(join(server.directory, "www", ".privkey.pem.renewd.json"), "utf8"))).toMatchObject(
      { generation: 1 },
    );
    expect((await readdir(join(server.directory, "www"))).filter((name) => name.includes("renewd-"))).toEqual([]);
  });

  it("leaves no file behind when nginx refuses its configuration only because of a first pair", async () => {
    const picky = join(server.prefix, "picky");
    const first = join(server.directory, "first", "privkey.pem");
    await writeFile(picky, `#!/bin/sh\n[ ! -e ${first} ] || exit 1\nexec nginx "$@"\n`, { mode: 0o755 });
    const pair = await issuer.issue({ certificate: "first", generation: 1 });
    await expect(make(server, "pair", { binary: picky }).deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject(
      { code: "deploy.commandFailed" },
    );
    expect(await stored("first")).toBeNull();
  });

  it("deploys two certificates that are both new to a configuration which names both", async () => {
    const names = ["new1", "new2"];
    const at = (name: string, file: string): string => join(server.directory, name, file);
    const blocks = names.map(
      (name) =>
        `server { listen 127.0.0.1:${server.port} ssl; server_name ${name}.test; ` +
        `ssl_certificate ${at(name, "fullchain.pem")}; ssl_certificate_key ${at(name, "privkey.pem")}; }`,
    );
    const good = await readFile(server.configFile, "utf8");
    await writeFile(server.configFile, good.replace(/\}\s*$/, `${blocks.join("\n")}\n}\n`));
    const deployer = make(server, "pair");
    const [one, two] = await Promise.all(names.map((certificate) => issuer.issue({ certificate, generation: 1 })));
    if (one === undefined || two === undefined) return expect.unreachable();
    // nginx names the first file that is missing.
    await expect(deployer.preflight?.("new1", one.leaf, NEVER)).resolves.toBeUndefined();
    await expect(deployer.preflight?.("new2", one.leaf, NEVER)).rejects.toMatchObject({ code: "deploy.commandFailed" });
    const refused = deployer.deploy({ pair: one, previous: null }, NEVER);
    await expect(refused).rejects.toMatchObject({
      // nginx's words, although it repeats paths that look like pieces of a key.
      message: expect.stringMatching(/cannot load certificate \S+new2\/fullchain\.pem.*refused before this pair came/s),
    });
    expect(await stored("new1")).toBe(one.leaf.fingerprint);
    await deployer.deploy({ pair: two, previous: null }, NEVER);
    await deployer.deploy({ pair: one, previous: null }, NEVER);
    for (const { certificate, leaf } of [one, two])
      await expect.poll(() => servedFingerprint(server.port, `${certificate}.test`)).toBe(leaf.fingerprint);
    // A pair that is in place goes back, whoever broke the configuration.
    const next = await issuer.issue({ certificate: "new1", generation: 2 });
    await rm(at("new2", "fullchain.pem"));
    const renewal = deployer.deploy({ pair: next, previous: null }, NEVER);
    await expect(renewal).rejects.toMatchObject({ code: "deploy.commandFailed" });
    expect(await stored("new1")).toBe(one.leaf.fingerprint);
    await writeFile(server.configFile, good);
  });

  it("reloads again when an earlier attempt died between swap and reload", async () => {
    const pair = await issuer.issue({ certificate: "api", generation: 1 });
    const noReload = join(server.prefix, "no-reload");
    await writeFile(noReload, `#!/bin/sh\ncase "$*" in *reload*) exit 1;; esac\nexec nginx "$@"\n`, { mode: 0o755 });
    await expect(
      make(server, "pair", { binary: noReload }).deploy({ pair, previous: null }, NEVER),
    ).rejects.toMatchObject({ code: "deploy.commandFailed" });
    expect(await stored("api")).toBe(pair.leaf.fingerprint);
    expect(await servedFingerprint(server.port, "api.test")).not.toBe(pair.leaf.fingerprint);
    await make(server, "pair").deploy({ pair, previous: null }, NEVER);
    await expect
      .poll(() => servedFingerprint(server.port, "api.test"), { timeout: 15_000 })
      .toBe(pair.leaf.fingerprint);
  });

  it("serves a continuous client without one failed handshake while it swaps", async () => {
    const deployer = make(server, "pair");
    let swapping = true;
    const failures: unknown[] = [];
    let handshakes = 0;
    const client = (async () => {
      for (; swapping; handshakes++)
        await servedFingerprint(server.port, "www.test").catch((error: unknown) => failures.push(error));
    })();
    for (let generation = 10; generation < 15; generation++) {
      const pair = await issuer.issue({ certificate: "www", generation });
      await deployer.deploy({ pair, previous: null }, NEVER);
      await expect
        .poll(() => servedFingerprint(server.port, "www.test"), { timeout: 15_000 })
        .toBe(pair.leaf.fingerprint);
    }
    swapping = false;
    await client;
    expect(failures).toEqual([]);
    expect(handshakes).toBeGreaterThan(5);
  });

  it("ends an nginx that hangs, and puts the previous pair back", async () => {
    const before = await stored("api");
    const hanging = join(server.prefix, "hanging");
    await writeFile(hanging, "#!/bin/sh\nsleep 600\n", { mode: 0o755 });
    const pair = await issuer.issue({ certificate: "api", generation: 9 });
    const deployer = make(server, "pair", { binary: hanging, timeout: "300ms" });
    await expect(deployer.deploy({ pair, previous: null }, NEVER)).rejects.toMatchObject({ code: "deploy.timeout" });
    expect(await stored("api")).toBe(before);
  });

  it("says in preflight that the program or a directory is missing", async () => {
    await expect(
      make(server, "pair", { binary: "no-such-nginx" }).preflight?.("www", null, NEVER),
    ).rejects.toMatchObject({
      code: "deploy.commandFailed",
      message: expect.stringContaining("no-such-nginx"),
    });
    await rm(join(server.prefix, "gone"), { recursive: true, force: true });
    const lost = nginx.create(
      nginx.options.parse({ bundle: join(server.prefix, "gone", "{certificate}.pem") }),
      dependencies("edge"),
    );
    await expect(lost.preflight?.("www", null, NEVER)).rejects.toMatchObject({
      code: "deploy.io",
      message: expect.stringContaining("gone"),
    });
  });

  it.each([
    [{ fullchain: "/a/f.pem" }, "either"],
    [{ fullchain: "/a/f.pem", privkey: "/a/k.pem", bundle: "/a/b.pem" }, "either"],
    [{}, "either"],
    [{ fullchain: "/a/f.pem", privkey: "/a/f.pem" }, "same file"],
  ])("refuses the options %j", (wrong, why) => {
    const result = nginx.options.safeParse(wrong);
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
