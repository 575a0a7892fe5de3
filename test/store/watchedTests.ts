import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import { endpointKey } from "../../src/domain/endpoint.ts";
import { NOBODY } from "../../src/domain/responsibility.ts";
import { placeKey, type ServedPlace, type ServedSighting } from "../../src/domain/served.ts";
import type { Store } from "../../src/domain/store.ts";
import type { WatchDefinition, WatchLook } from "../../src/domain/watched.ts";
import type { StoreBench } from "../conformance/store.ts";
import { NOW } from "../support/model/facts.ts";

export function watchedTests(bench: () => StoreBench): void {
  describe("watched endpoints", () => {
    test("follow the configuration, and what was found stays until it is configured", async () => {
      const { watched } = bench().store;
      expect(await watched.configure([definition("a"), definition("b")], NOW)).toEqual({
        ...{ added: ["a", "b"], changed: [], removed: [] },
      });
      const found = { ...definition("c"), key: "c.example@c.example:443", origin: "found" as const, foundBy: ["file"] };
      const again = { ...definition("a"), key: "a.example@a.example:443", origin: "found" as const };
      expect(await watched.addFound([found, again], NOW)).toEqual([found.key]);
      const changed = { ...definition("b"), expects: { minLeftMs: 5, trusted: false } };
      expect(await watched.configure([changed], NOW)).toEqual({ added: [], changed: ["b"], removed: ["a"] });
      expect((await watched.list()).map(({ key }) => key)).toEqual(["b", found.key]);
      expect(await watched.configure([changed, definition("c")], NOW)).toEqual({
        ...{ added: ["c"], changed: [], removed: [found.key] },
      });
      expect(await watched.remove("c")).toBe(true);
      expect(await watched.remove("c")).toBe(false);
    });

    test("are claimed once when due, and a look is recorded unless the definition changed meanwhile", async () => {
      const { watched } = bench().store;
      await watched.configure([definition("a"), definition("b"), definition("c")], NOW);
      const claimed = await watched.claim({ now: NOW, nextAt: NOW + 60_000, limit: 2 });
      expect(claimed.map(({ key, look }) => [key, look])).toEqual([
        ["a", null],
        ["b", null],
      ]);
      const other = (await bench().another()).watched;
      expect((await other.claim({ now: NOW, nextAt: NOW + 60_000, limit: 9 })).map(({ key }) => key)).toEqual(["c"]);
      await watched.configure([definition("a"), { ...definition("b"), foundBy: ["x"] }], NOW);
      await watched.record(claimed.map((each) => ({ watched: each, look: LOOK, nextLookAt: NOW + 5 })));
      expect(await watched.get("a")).toEqual({ ...definition("a"), look: LOOK, nextLookAt: NOW + 5 });
      expect(await watched.get("b")).toMatchObject({ look: null, nextLookAt: NOW });
      await watched.bringForward(NOW + 1);
      expect(await watched.overdue(NOW)).toBeNull();
      expect(await watched.overdue(NOW + 1)).toEqual({ count: 1, since: NOW });
      expect(await watched.overdue(NOW + 2)).toEqual({ count: 2, since: NOW });
      expect(await watched.get("a")).toMatchObject({ nextLookAt: NOW + 1 });
    });

    test("are claimed by their own vantage alone; those without one by any", async () => {
      const { watched } = bench().store;
      const from = (key: string, vantage: string): WatchDefinition => {
        const { endpoint, ...rest } = definition("a");
        return { ...rest, key, endpoint: { ...endpoint, vantage } };
      };
      await watched.configure(
        [from("a from office", "office"), from("a from internet", "internet"), definition("b")],
        NOW,
      );
      const claim = async (vantage?: string) =>
        (await watched.claim({ now: NOW, nextAt: NOW + 9, limit: 9, ...(vantage !== undefined && { vantage }) })).map(
          ({ key }) => key,
        );
      expect(await claim("office")).toEqual(["a from office", "b"]);
      expect(await claim()).toEqual([]);
      expect(await claim("internet")).toEqual(["a from internet"]);
      expect(await watched.addFound([{ ...definition("a"), origin: "found" }], NOW)).toEqual([]);
    });

    test("that somebody else made dial another place are not dialled, until configured again", async () => {
      const { store, backend } = bench();
      await store.watched.configure([definition("a")], NOW);
      await backend.run("update watched_endpoints set definition = replace(definition, 'a.example', 'victim.example')");
      expect(await store.watched.claim({ now: NOW, nextAt: NOW, limit: 9 })).toEqual([]);
      expect(await store.watched.list()).toEqual([]);
      await store.watched.configure([definition("a")], NOW);
      expect(await store.watched.get("a")).toMatchObject(definition("a"));
    });

    test("that somebody altered end no page early", async () => {
      const { store, backend } = bench();
      await store.watched.configure(["a", "b", "c"].map(definition), NOW);
      await backend.run("update watched_endpoints set origin = 'x', seal = 'x' where key = 'a'");
      expect((await store.watched.list({ limit: 1 })).map(({ key }) => key)).toEqual(["b"]);
    });
  });

  describe("what addresses served", () => {
    test("is kept by change: the first and last time, and the whole chain", async () => {
      const { served } = bench().store;
      await served.record([sighting(NOW, ["one", "ca"])]);
      await served.record([sighting(NOW + 10, ["one", "ca"])]);
      await served.record([sighting(NOW + 20, ["two", "ca"])]);
      await served.record([sighting(NOW + 30, null)]);
      // A slower verifier's look.
      await served.record([sighting(NOW + 15, ["one", "ca"])]);
      expect(await served.changes(PLACE.key, { limit: 9 })).toEqual([
        change({ since: NOW + 30, lastSeenAt: NOW + 30, leaf: null, chain: [], code: "verify.unreachable" }),
        change({ since: NOW + 20, lastSeenAt: NOW + 20, leaf: print("two") }),
        change({ since: NOW, lastSeenAt: NOW + 10, leaf: print("one") }),
      ]);
      expect(await served.at(PLACE.key, NOW + 19)).toMatchObject({ leaf: print("one") });
      expect(await served.at(PLACE.key, NOW - 1)).toBeNull();
      expect([...(await served.certificates([print("ca"), print("two"), print("no")])).keys()].sort()).toEqual(
        [print("ca"), print("two")].sort(),
      );
      expect(await served.places({ name: "WWW.example.org", port: 443 }, 9)).toEqual([PLACE]);
      expect(await served.places({ name: "192.0.2.1", port: null }, 9)).toEqual([PLACE]);
      expect(await served.places({ name: "192.0.2.1", port: 444 }, 9)).toEqual([]);
      expect(await served.seenAt({ keyDigest: print("key of one") }, 9)).toMatchObject([{ leaf: print("one") }]);
      expect(await served.seenAt({ leaf: print("two") }, 9)).toMatchObject([{ since: NOW + 20 }]);
    });

    test("is forgotten with all that nothing else needs", async () => {
      const { store } = bench();
      await store.served.record([sighting(NOW, ["old", "ca"])]);
      await store.served.record([sighting(NOW + 10, ["new", "ca"])]);
      expect(await store.served.forget(NOW + 5, 9)).toBe(1);
      expect(await store.served.changes(PLACE.key, { limit: 9 })).toMatchObject([{ leaf: print("new") }]);
      expect([...(await store.served.certificates([print("old"), print("ca")])).keys()]).toEqual([print("ca")]);
      expect(await store.served.forget(NOW + 50, 9)).toBe(1);
      expect(await store.served.places({ name: PLACE.host, port: null }, 9)).toEqual([]);
      expect(await store.served.certificates([print("ca")])).toEqual(new Map());
    });

    test("is not believed where somebody else wrote it", async () => {
      const { store, backend } = bench();
      await store.served.record([sighting(NOW, ["one", "ca"])]);
      await store.served.record([sighting(NOW + 10, ["two", "ca"])]);
      await backend.run(`update served_changes set leaf = '${print("x")}' where since = ${NOW}`);
      await backend.run("update served_certificates set der = 'eA=='");
      await backend.run(`update served_chains set fingerprint = '${print("x")}'`);
      expect(await store.served.changes(PLACE.key, { limit: 9 })).toEqual([
        change({ since: NOW + 10, lastSeenAt: NOW + 10, leaf: print("two"), chain: [] }),
      ]);
      expect(await store.served.certificates([print("two")])).toEqual(new Map());
    });
  });
}

/** A row in every table of watched endpoints and of what was served. */
export async function fillWatched({ watched, served }: Store): Promise<void> {
  await watched.configure([definition("a")], NOW);
  await served.record([sighting(NOW, ["one", "ca"])]);
}

const LOOK: WatchLook = {
  ...{ at: NOW, state: "good", problem: null, expiresAt: NOW + 9, since: NOW },
  addresses: [
    {
      observation: {
        ...{ address: "::1", port: 443, sni: "a.example", at: NOW, durationMs: 1, served: null, problem: null },
      },
      state: "good",
    },
  ],
};

function definition(key: string): WatchDefinition {
  const endpoint = { host: `${key}.example`, port: 443, sni: `${key}.example`, target: null };
  expect(endpointKey(endpoint)).toBe(`${key}.example@${key}.example:443`);
  const expects = { minLeftMs: null, trusted: true };
  return { key, origin: "configured", endpoint, expects, responsibility: NOBODY, foundBy: [] };
}

const AT = { address: "192.0.2.1", port: 443, sni: "www.example.org" };
const PLACE: ServedPlace = { ...AT, key: placeKey(AT), host: "www.example.org" };

function sighting(at: number, names: readonly string[] | null): ServedSighting {
  const certificates =
    names === null
      ? null
      : names.map((name) => ({
          ...{ fingerprint: print(name), der: new TextEncoder().encode(name), keyDigest: print(`key of ${name}`) },
        }));
  return { place: PLACE, at, certificates, code: "verify.unreachable" };
}

function change(facts: object) {
  return { place: PLACE.key, chain: [print("ca")], code: null, ...facts };
}

function print(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
