import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { copyStore, openStore, openVault, type StoreOptions } from "../../src/store/index.ts";
import { NOW } from "../support/model/facts.ts";

test("what migrations write into a new database does not make it a used one: it takes a copy", async () => {
  const directory = await mkdtemp(join(tmpdir(), "renewd-copy-"));
  try {
    const vault = await openVault({ file: join(directory, "master.key") });
    const at = (name: string): StoreOptions => ({ kind: "sqlite", file: join(directory, name) });
    const event = { type: "issue.started", certificate: "www", renewalId: "r", target: null, detail: {} } as const;
    const source = await openStore(at("from.db"), vault, "test/1");
    await source.events.append({ ...event, at: NOW });
    await source.totals.count(100);
    await source.close();
    await (await openStore(at("to.db"), vault, "test/1")).close();
    expect(await copyStore(at("from.db"), at("to.db"), vault)).toMatchObject({ events: 1, totalsCounted: 1 });
    await expect(copyStore(at("from.db"), at("to.db"), vault)).rejects.toThrow("is not empty");
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});

test("a source that nobody has open is copied without force, and one that somebody has open is refused", async () => {
  const directory = await mkdtemp(join(tmpdir(), "renewd-copy-"));
  try {
    const vault = await openVault({ file: join(directory, "master.key") });
    const at = (name: string): StoreOptions => ({ kind: "sqlite", file: join(directory, name) });
    const source = await openStore(at("from.db"), vault, "test/1");
    await expect(source.certificates.list()).resolves.toEqual([]);
    const unused = { unused: { now: NOW } };
    await expect(copyStore(at("from.db"), at("to.db"), vault, unused)).rejects.toThrow("have it open");
    await source.close();
    await expect(copyStore(at("from.db"), at("to.db"), vault, unused)).resolves.toMatchObject({ events: 0 });
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
});
