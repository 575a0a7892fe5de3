// Certificates that are new to a running HAProxy, and how its crt-lists name their files.
import { chmod, chown, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import { haproxy } from "../../../src/deployers/haproxy/haproxy.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { createPairIssuer, type PairIssuer } from "../../support/pairs/issuedPairs.ts";
import { dependencies } from "../../support/pairs/targetSecrets.ts";
import { startHaproxy } from "../../support/servers/haproxy.ts";
import { servedFingerprint, storedFingerprint } from "../../support/servers/served.ts";

const NEVER = new AbortController().signal;

function make(options: Record<string, unknown>): Deployer {
  return haproxy.create(haproxy.options.parse(options), dependencies("lb"));
}

describe("crt-lists of haproxy", () => {
  let issuer: PairIssuer;
  beforeAll(async () => {
    issuer = await createPairIssuer();
  });

  it("appends a new certificate to the crt-list on disk and in memory", async () => {
    await using listed = await startHaproxy({ crtList: true });
    const deployer = make({
      socket: listed.socket,
      file: `${listed.directory}/{certificate}.pem`,
      crtList: `${listed.directory}/.list`,
    });
    const pair = await issuer.issue({ certificate: "listed", generation: 1 });
    for (let attempt = 0; attempt < 2; attempt++) await deployer.deploy({ pair, previous: null }, NEVER);
    expect(await servedFingerprint(listed.port, "listed.test")).toBe(pair.leaf.fingerprint);
    await listed.reload();
    expect(await servedFingerprint(listed.port, "listed.test")).toBe(pair.leaf.fingerprint);
    const list = await readFile(join(listed.directory, ".list"), "utf8");
    expect(list.split("\n").filter((line) => line.endsWith("listed.pem"))).toHaveLength(1);
  });

  it.each([{ crtBase: false }, { crtBase: true }])(
    "knows files by the relative names that HAProxy has for them: %j",
    async ({ crtBase }) => {
      await using listed = await startHaproxy({ crtList: true, relative: true, crtBase });
      const known = basename(listed.directory);
      const list = join(listed.directory, ".list");
      await chown(list, 33, 33);
      await chmod(list, 0o640);
      const deployer = make({
        socket: listed.socket,
        file: `${listed.directory}/{certificate}.pem`,
        knownAs: `${known}/{certificate}.pem`,
        crtList: `${known}/.list`,
        crtListFile: list,
      });
      const pair = await issuer.issue({ certificate: "near", generation: 1 });
      await deployer.preflight?.("near", null, NEVER);
      await deployer.deploy({ pair, previous: null }, NEVER);
      expect(await servedFingerprint(listed.port, "near.test")).toBe(pair.leaf.fingerprint);
      await listed.reload();
      expect(await servedFingerprint(listed.port, "near.test")).toBe(pair.leaf.fingerprint);
      // One that is listed already gets no second line, which HAProxy could not read with `crt-base`.
      const before = await readFile(list, "utf8");
      const next = await issuer.issue({ certificate: "near", generation: 2 });
      await deployer.deploy({ pair: next, previous: null }, NEVER);
      expect(await readFile(list, "utf8")).toBe(before);
      const { uid, gid, mode } = await stat(list);
      expect([uid, gid, mode & 0o777]).toEqual([33, 33, 0o640]);
      expect(haproxy.options.safeParse({ socket: "/s", file: "/f.pem", crtList: "a.list" }).success).toBe(false);
    },
  );

  it("says before a deploy which name HAProxy has for a file below `crt-base`, and lists a listed one once", async () => {
    const old = await issuer.issue({ certificate: "based", generation: 1 });
    const held = { certPem: old.leafPem, keyPem: old.privateKey.reveal() };
    await using based = await startHaproxy({ crtList: true, crtBase: true, certificates: { based: held } });
    const list = join(based.directory, ".list");
    const options = { socket: based.socket, file: `${based.directory}/{certificate}.pem`, crtList: list };
    await expect(
      make({ ...options, knownAs: "{certificate}.pem" }).preflight?.("new", null, NEVER),
    ).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining(`such as ${based.directory}/new.pem, as \`show ssl cert\` prints it`),
    });
    const before = await readFile(list, "utf8");
    await make(options).deploy(
      { pair: await issuer.issue({ certificate: "based", generation: 2 }), previous: null },
      NEVER,
    );
    expect(await readFile(list, "utf8")).toBe(before);
  });

  it("writes options and names into a crt-list's line, and only what HAProxy accepted", async () => {
    await using listed = await startHaproxy({ crtList: true });
    const list = join(listed.directory, ".list");
    const listing = (more: Record<string, unknown>) =>
      make({ socket: listed.socket, file: `${listed.directory}/{certificate}.pem`, crtList: list, ...more });
    const pair = await issuer.issue({ certificate: "filtered", generation: 1 });
    const before = await readFile(list, "utf8");
    await expect(
      listing({ crtListEntry: "[no-such-option]" }).deploy({ pair, previous: null }, NEVER),
    ).rejects.toMatchObject({
      code: "deploy.refused",
      message: expect.stringContaining("no-such-option"),
    });
    expect(await readFile(list, "utf8")).toBe(before);
    await listing({ crtListEntry: "[alpn h2,http/1.1] *.elsewhere.test" }).deploy({ pair, previous: null }, NEVER);
    for (const reload of [false, true]) {
      if (reload) await listed.reload();
      expect(await servedFingerprint(listed.port, "www.elsewhere.test")).toBe(pair.leaf.fingerprint);
      expect(await servedFingerprint(listed.port, "filtered.test")).not.toBe(pair.leaf.fingerprint);
    }
    expect(await readFile(list, "utf8")).toBe(
      `${before}${listed.directory}/filtered.pem [alpn h2,http/1.1] *.elsewhere.test\n`,
    );
  });

  it("writes the crt-list's line in the next attempt when one died before it", async () => {
    await using listed = await startHaproxy({ crtList: true });
    const list = join(listed.directory, ".list");
    const before = await readFile(list, "utf8");
    const deployer = make({ socket: listed.socket, file: `${listed.directory}/{certificate}.pem`, crtList: list });
    for (const generation of [1, 2]) {
      const pair = await issuer.issue({ certificate: "resumed", generation });
      await deployer.deploy({ pair, previous: null }, NEVER);
      expect(await readFile(list, "utf8")).toBe(`${before}${listed.directory}/resumed.pem\n`);
      if (generation === 1) await writeFile(list, before);
    }
    await listed.reload();
    expect(await servedFingerprint(listed.port, "resumed.test")).toBe(
      await storedFingerprint(join(listed.directory, "resumed.pem")),
    );
  });

  it("loses no line when several targets add to one crt-list in another directory", async () => {
    await using listed = await startHaproxy({ crtList: true });
    const names = ["one", "two", "three", "four"];
    const pairs = await Promise.all(names.map((certificate) => issuer.issue({ certificate, generation: 1 })));
    await Promise.all(
      pairs.map(async (pair) => {
        const directory = join(listed.directory, `.${pair.certificate}`);
        await mkdir(directory);
        const deployer = make({
          socket: listed.socket,
          file: `${directory}/{certificate}.pem`,
          crtList: `${listed.directory}/.list`,
        });
        // They share no lock, and HAProxy has one transaction for all: one that meets a foreign one retries, as a
        // worker does.
        await expect
          .poll(
            () =>
              deployer.deploy({ pair, previous: null }, NEVER).then(
                () => true,
                () => false,
              ),
            { timeout: 10_000 },
          )
          .toBe(true);
      }),
    );
    const lines = (await readFile(join(listed.directory, ".list"), "utf8")).split("\n");
    expect(names.map((name) => lines.filter((line) => line.endsWith(`/${name}.pem`)).length)).toEqual([1, 1, 1, 1]);
  });

  it.each([
    [{ socket: "relative.sock", file: "/a/b.pem" }, "host:port"],
    [{ socket: "/s", file: "/a/b c.pem" }, "spaces"],
    [{ socket: "/s", file: "/a/b;c.pem" }, "spaces"],
    [{ socket: "/s", file: "b.pem" }, "absolute"],
    [{ socket: "/s" }, "file"],
    [{ socket: "/s", file: "/a/b.pem", crtList: "/l", crtListEntry: "a;b" }, "crt-list line"],
    [{ socket: "/s", file: "/a/b.pem", crtListEntry: "[alpn h2]" }, "crtList"],
  ])("refuses the options %j", (wrong, why) => {
    const result = haproxy.options.safeParse(wrong);
    expect(result.success).toBe(false);
    expect(JSON.stringify(result.error?.issues)).toContain(why);
  });
});
