import { describe, expect, test } from "vitest";
import type { StoreBench } from "../conformance/store.ts";
import { NOW } from "../support/model/facts.ts";

const BY = { at: NOW, by: "alice@host" };

export function definitionTests(bench: () => StoreBench): void {
  describe("definitions of certificates", () => {
    test("are written together or not at all, and each change raises the revision", async () => {
      const { definitions } = bench().store;
      expect(await definitions.list()).toEqual({ revision: 0, definitions: [], altered: [] });
      const [www, api] = [{ names: ["www.example.org"] }, { names: ["api.example.org"], reuseKey: true }];
      const writes = [
        { name: "www", definition: www },
        { name: "api", definition: api },
      ];
      expect(await definitions.write(writes, { seen: 0, ...BY })).toBe(1);
      const of = { changedAt: NOW, changedBy: "alice@host" };
      expect(await definitions.list()).toEqual({
        ...{ revision: 1, altered: [] },
        definitions: [
          { name: "api", definition: api, ...of },
          { name: "www", definition: www, ...of },
        ],
      });
      expect(await definitions.write([{ name: "www", definition: null }], { seen: 0, ...BY })).toBe(null);
      expect(await definitions.write([{ name: "www", definition: null }], { seen: 1, ...BY })).toBe(2);
      expect((await definitions.list()).definitions.map(({ name }) => name)).toEqual(["api"]);
      expect(await definitions.revision()).toBe(2);
      expect(await definitions.removal("www")).toMatchObject({ changedAt: NOW, changedBy: "alice@host" });
      expect(await definitions.removal("api")).toBe(null);
      expect(await definitions.write([{ name: "www", definition: www }], { seen: 2, ...BY })).toBe(3);
      expect((await definitions.list()).definitions.map(({ name }) => name)).toEqual(["api", "www"]);
    });

    test("of several writers that saw one revision exactly one writes", async () => {
      const stores = [bench().store, await bench().another(), await bench().another()];
      const written = await Promise.all(
        stores.map(({ definitions }, i) =>
          definitions.write([{ name: `c${i}`, definition: { i } }], { seen: 0, ...BY }),
        ),
      );
      expect(written.toSorted()).toEqual([1, null, null]);
      expect((await bench().store.definitions.list()).definitions).toHaveLength(1);
    });
  });
}
