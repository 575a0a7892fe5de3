import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RenewalError } from "../../src/domain/errors.ts";
import { Secret } from "../../src/domain/secret.ts";
import { openVault, recordIdentity } from "../../src/store/vault.ts";

const keyOf = (byte: number): Secret => new Secret(Buffer.alloc(32, byte).toString("base64"));
const refusal = { name: "RenewalError", code: "store.sealed" };

function thrownBy(work: () => unknown): unknown {
  try {
    work();
  } catch (thrown) {
    return thrown;
  }
  throw new Error("nothing was thrown");
}

describe("a sealed value", () => {
  test("opens under its own identity only", async () => {
    const vault = await openVault({ key: keyOf(1) });
    const sealed = vault.seal("version:www:3:key", new Secret("schlüssel"));
    expect(vault.open("version:www:3:key", sealed).reveal()).toBe("schlüssel");
    expect(thrownBy(() => vault.open("version:www:4:key", sealed))).toMatchObject(refusal);
  });

  test("is different each time, shows its format and key id, and never its content", async () => {
    const vault = await openVault({ key: keyOf(1) });
    const [one, two] = [vault.seal("a", new Secret("content")), vault.seal("a", new Secret("content"))];
    expect(one).toMatch(/^renewd-sealed:1:[0-9a-f]{16}:[\w-]+:[\w-]+$/);
    expect(one).not.toBe(two);
    expect(one).not.toContain(Buffer.from("content").toString("base64url").slice(0, 8));
  });

  test("says which master key it needs when another is given", async () => {
    const [right, wrong] = [await openVault({ key: keyOf(1) }), await openVault({ key: keyOf(2) })];
    const error = thrownBy(() => wrong.open("a", right.seal("a", new Secret("x"))));
    expect(error).toMatchObject({
      ...refusal,
      message: expect.stringMatching(new RegExp(`${right.keyId}.*${wrong.keyId}`)),
    });
  });

  test("does not open when any part of it is changed, cut or exchanged", async () => {
    const vault = await openVault({ key: keyOf(1) });
    const sealed = vault.seal("a", new Secret("x"));
    const parts = sealed.split(":");
    const other = vault.seal("a", new Secret("y")).split(":");
    const changed = parts.flatMap((part, at) => {
      const flipped = `${part[0] === "A" ? "B" : "A"}${part.slice(1)}`;
      return [flipped, part.slice(0, 5), ""].filter((bad) => bad !== part).map((bad) => parts.with(at, bad).join(":"));
    });
    for (const bad of [...changed, parts.with(4, other[4] ?? "").join(":"), `${sealed}:more`, "", "plain text"]) {
      expect(
        thrownBy(() => vault.open("a", bad)),
        bad,
      ).toMatchObject(refusal);
    }
    expect(vault.open("a", sealed).reveal()).toBe("x");
  });

  test("identities of different records never meet, whatever their names hold", () => {
    expect(recordIdentity("version", "www", 3, "key")).toBe("version:www:3:key");
    expect(recordIdentity("account", "a:b", "c")).not.toBe(recordIdentity("account", "a", "b:c"));
  });
});

describe("the master key", () => {
  let directory: string;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "renewd-vault-"));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  test("where nobody may create it, permission is what is missing, not a secret", async () => {
    // Not even root creates files there.
    await expect(openVault({ file: "/sys/renewd-test.key" })).rejects.toMatchObject({
      code: "store.forbidden",
      message: expect.stringMatching(/^master key \/sys\/renewd-test\.key: cannot be created in \/sys: E[A-Z]+: /),
    });
  });

  test("is created once, for its owner only, when several start at the same time", async () => {
    const folder = join(directory, "first", "run");
    const file = join(folder, "master.key");
    const vaults = await Promise.all(Array.from({ length: 8 }, () => openVault({ file })));
    expect(new Set(vaults.map(({ keyId }) => keyId))).toHaveLength(1);
    const modes = await Promise.all([file, folder].map(async (path) => (await stat(path)).mode & 0o777));
    expect(modes).toEqual([0o600, 0o700]);
    expect(await readdir(folder)).toEqual(["master.key"]);
    const given = await openVault({ key: new Secret(await readFile(file, "utf8")) });
    expect(given.keyId).toBe(vaults[0]?.keyId);
  });

  test.each([0o640, 0o604, 0o660])("in a file of mode %o is refused with the command that fixes it", async (mode) => {
    const file = join(directory, `open-${mode}`);
    await openVault({ file });
    await chmod(file, mode);
    await expect(openVault({ file })).rejects.toMatchObject({
      code: "store.exposed",
      message: expect.stringContaining(`chmod 600 ${file}`),
    });
  });

  test.each([
    ["too short", Buffer.alloc(31).toString("base64")],
    ["not base64", "this is a pass phrase, not a key of thirty-two bytes"],
    ["empty", ""],
  ])("that is %s is refused without being shown", async (name, text) => {
    const file = join(directory, name);
    await writeFile(file, text, { mode: 0o600 });
    for (const options of [{ file }, { key: new Secret(text) }]) {
      const error: unknown = await openVault(options).catch((thrown: unknown) => thrown);
      expect(error).toBeInstanceOf(RenewalError);
      expect(error).toMatchObject({
        code: "config.secret",
        message: expect.stringMatching(/32 bytes in base64; put back your copy/),
      });
      if (text !== "") expect(String(error)).not.toContain(text);
    }
  });

  test("in a place that cannot be written is refused with its path", async () => {
    const file = join(directory, "file");
    await writeFile(file, "");
    const inside = join(file, "master.key");
    await expect(openVault({ file: inside })).rejects.toMatchObject({
      code: "config.secret",
      message: expect.stringContaining(inside),
    });
  });
});
