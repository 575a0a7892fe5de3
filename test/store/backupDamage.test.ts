import { readdir, readFile, stat, writeFile } from "node:fs/promises";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { openVault } from "../../src/store/index.ts";
import { type Bench, createBench } from "./backupBench.ts";

let bench: Bench;
beforeEach(async () => {
  bench = await createBench();
});
afterEach(() => bench[Symbol.asyncDispose]());

describe("a backup file", () => {
  beforeEach(async () => {
    const from = bench.sqlite("renewd.db");
    await bench.fill(from);
    await bench.backUp(from);
  });

  test("opens with no other master key, and says which one it needs", async () => {
    const other = await openVault({ file: bench.path("other.key") });
    const to = bench.sqlite("other.db");
    const refused = bench.restore(to, "backup", { vault: other });
    await expect(refused).rejects.toMatchObject({
      code: "store.sealed",
      message: expect.stringMatching(`${bench.vault.keyId}; the configured one has id ${other.keyId}`),
    });
    await expect(stat(bench.path("other.db"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  test("cut short anywhere is refused, and nothing is written", async () => {
    const whole = await readFile(bench.path());
    const header = whole.indexOf("\n") + 1;
    const lengths = [
      0,
      1,
      15,
      header - 1,
      header,
      header + 11,
      header + 12,
      header + 27,
      header + 28,
      whole.length >> 1,
      whole.length - 17,
      whole.length - 1,
    ];
    for (const length of lengths) {
      await writeFile(bench.path("cut"), whole.subarray(0, length));
      await expect(bench.restore(bench.sqlite("cut.db"), "cut"), `${length} bytes`).rejects.toMatchObject({
        code: "backup.damaged",
        message: expect.stringContaining("cut"),
      });
    }
    await expect(stat(bench.path("cut.db"))).rejects.toMatchObject({ code: "ENOENT" });
    expect(await readdir(bench.path("work"))).toEqual([]);
  });

  test("altered anywhere is refused, and nothing is written", async () => {
    const whole = await readFile(bench.path());
    const header = whole.indexOf("\n") + 1;
    const keyId = whole.indexOf(bench.vault.keyId);
    const places = [
      3,
      14,
      20,
      40,
      60,
      header - 60,
      header - 4,
      header - 2,
      header,
      header + 13,
      header + 200,
      whole.length >> 1,
      whole.length - 16,
      whole.length - 1,
    ];
    for (const place of places.filter((at) => at < keyId || at > keyId + bench.vault.keyId.length)) {
      const altered = Buffer.from(whole);
      altered.writeUInt8(altered.readUInt8(place) ^ 1, place);
      await writeFile(bench.path("altered"), altered);
      await expect(bench.restore(bench.sqlite("altered.db"), "altered"), `byte ${place}`).rejects.toMatchObject({
        code: "backup.damaged",
      });
    }
    await writeFile(bench.path("longer"), Buffer.concat([whole, Buffer.from("x")]));
    await expect(bench.restore(bench.sqlite("altered.db"), "longer")).rejects.toMatchObject({ code: "backup.damaged" });
    // The header of one backup before the contents of another.
    await bench.backUp(bench.sqlite("renewd.db"), "second");
    const second = await readFile(bench.path("second"));
    await writeFile(
      bench.path("mixed"),
      Buffer.concat([whole.subarray(0, header), second.subarray(second.indexOf("\n") + 1)]),
    );
    await expect(bench.restore(bench.sqlite("altered.db"), "mixed")).rejects.toMatchObject({ code: "backup.damaged" });
    await expect(stat(bench.path("altered.db"))).rejects.toMatchObject({ code: "ENOENT" });
  });

  test.each([
    ["some other file", "-----BEGIN CERTIFICATE-----\n", "backup.damaged", "is not a backup made by"],
    ["an empty file", "", "backup.damaged", "is not a backup made by"],
    ["one long line", "x".repeat(100_000), "backup.damaged", "is not a backup made by"],
    ["a later format", 'renewd-backup:2 {"new":true}\n', "backup.damaged", "written by a newer renewd"],
    ["a header that is no JSON", "renewd-backup:1 {\n", "backup.damaged", "cut short or was altered"],
    [
      "a header without what it must hold",
      'renewd-backup:1 {"__proto__":{}}\n',
      "backup.damaged",
      "cut short or was altered",
    ],
  ])("that is %s is refused", async (_, text, code, message) => {
    await writeFile(bench.path("foreign"), text);
    await expect(bench.restore(bench.sqlite("foreign.db"), "foreign")).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });

  test("that is missing, a directory or unreadable is refused by name", async () => {
    await expect(bench.restore(bench.sqlite("none.db"), "nothing")).rejects.toMatchObject({
      code: "backup.file",
      message: expect.stringContaining("ENOENT"),
    });
    await expect(bench.restore(bench.sqlite("none.db"), "work/..")).rejects.toMatchObject({
      code: "backup.file",
      message: expect.stringContaining("EISDIR"),
    });
  });
});
