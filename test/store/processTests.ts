import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { StoreBench } from "../conformance/store.ts";
import { NOW, renewal } from "../support/model/facts.ts";
import { startStoreProcess } from "./storeProcess.ts";

const PROCESSES = 2;

/** Real processes, as the workers are: each with its own connection, each killable. */
export function processTests(bench: () => StoreBench): void {
  describe("several processes", () => {
    const starter = () => {
      const { backend, masterKeyFile } = bench();
      return (masterKey = masterKeyFile) => startStoreProcess(backend.options, masterKey);
    };

    test("that start at once on an empty database agree on its tables and master key", async () => {
      const { masterKeyFile, backend } = bench();
      const { options } = backend;
      // Another file: the bench's store has already created the tables of its own.
      const fresh =
        options.kind === "sqlite" ? { ...options, file: join(`${options.file}-fresh`, "renewd.db") } : options;
      if (options.kind === "postgresql") await backend.run("drop schema public cascade; create schema public");
      const sharedKey = `${masterKeyFile}-${performance.now()}`;
      await using processes = new AsyncDisposableStack();
      const started = Array.from({ length: PROCESSES }, () => processes.use(startStoreProcess(fresh, sharedKey)));
      const answers = await Promise.all(started.map((process) => process.next()));
      expect(new Set(answers)).toHaveLength(1);
      expect(answers[0]).toMatch(/^open [0-9a-f]{16}$/);
    });

    test("that claim the same renewals get each of them once", async () => {
      const start = starter();
      const ids = Array.from({ length: 25 }, (_, index) => `r${index}`);
      for (const id of ids) await bench().store.renewals.insert(renewal({ id, certificate: id }));
      await using processes = new AsyncDisposableStack();
      const started = Array.from({ length: PROCESSES }, () => processes.use(start()));
      await Promise.all(started.map((process) => process.next()));
      for (const process of started) process.say(`claim ${ids.join(",")} ${NOW}`);
      const claimed = (await Promise.all(started.map((process) => process.next()))).flatMap((line) =>
        line.split(",").filter((id) => id !== ""),
      );
      expect(claimed.sort()).toEqual(ids.toSorted());
    });

    test("that read and then write in a transaction lose no update", async () => {
      const start = starter();
      await bench().store.renewals.insert(renewal({ id: "r" }));
      await using processes = new AsyncDisposableStack();
      const started = Array.from({ length: PROCESSES }, () => processes.use(start()));
      await Promise.all(started.map((process) => process.next()));
      for (const process of started) process.say("count r 20");
      expect(await Promise.all(started.map((process) => process.next()))).toEqual(["done", "done"]);
      expect((await bench().store.renewals.get("r"))?.attempts).toBe(PROCESSES * 20);
      expect(await bench().store.events.list({ limit: 100 })).toHaveLength(PROCESSES * 20);
    });

    test("one killed in the middle of a transaction leaves nothing of it and holds nobody up", async () => {
      const start = starter();
      const { store } = bench();
      await store.renewals.insert(renewal({ id: "r" }));
      await using process = start();
      await process.next();
      process.say("hang r");
      expect(await process.next()).toBe("inside");
      await process.kill();
      expect(await store.renewals.get("r")).toEqual(renewal({ id: "r" }));
      expect(await store.events.list({ limit: 9 })).toEqual([]);
      expect(await store.renewals.claim("r", NOW, 1_000)).toMatchObject({ fence: 1 });
    });

    test("one with another master key is refused at its start", async () => {
      const start = starter();
      await using stranger = start(`${bench().masterKeyFile}-stranger`);
      expect(await stranger.next()).toMatch(/^refused store\.sealed .*master key/);
    });
  });
}
