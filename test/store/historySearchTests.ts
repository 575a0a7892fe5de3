import { beforeEach, describe, expect, test } from "vitest";
import type { HistoryFilter } from "../../src/domain/historySearch.ts";
import { Secret } from "../../src/domain/secret.ts";
import type { StoreBench } from "../conformance/store.ts";
import { certificate, DAY_MS, NOW, renewal, version } from "../support/model/facts.ts";

const HOSTILE = `100%_"\\'<b>`;

export function historySearchTests(bench: () => StoreBench): void {
  describe("the search of the history", () => {
    beforeEach(async () => {
      const { store } = bench();
      const ended = { nextActionAt: null, finishedAt: NOW } as const;
      const leaf = {
        ...version().leaf,
        serial: "0ABC",
        fingerprint: "ef".repeat(32),
        identifiers: [{ type: "dns", value: "pay.example.net" }] as const,
      };
      await store.certificates.sync(
        ["shop", "www", "mail"].map((name) => certificate({ name })),
        NOW - 9 * DAY_MS,
      );
      await store.transaction(async (tx) => {
        await tx.versions.insert(
          version({ certificate: "shop", generation: 2, issuer: "other", leaf }),
          new Secret("k"),
        );
        const all = [
          renewal({
            id: "a",
            certificate: "shop",
            generation: 2,
            state: "succeeded",
            createdAt: NOW - 3 * DAY_MS,
            ...ended,
          }),
          renewal({
            ...{
              id: "b",
              certificate: "www",
              state: "failed",
              createdAt: NOW - DAY_MS,
              errorCode: "acme.caa",
              ...ended,
            },
            errorMessage: `refused: ${HOSTILE}`,
          }),
          renewal({ id: "c", certificate: "mail", state: "issuing", createdAt: NOW, trigger: "request" }),
        ];
        for (const each of all) await tx.renewals.insert(each);
        const event = { renewalId: "c", certificate: "mail", target: null, at: NOW } as const;
        await tx.events.append({ ...event, type: "renewal.planned", detail: { requestedBy: "Alice@desk" } });
        await tx.events.append({
          ...{ ...event, renewalId: "b", certificate: "www", type: "renewal.planned" },
          detail: { reason: "request", detail: "key leaked (by carol@desk)" },
        });
        await tx.events.append({
          ...event,
          type: "deploy.failed",
          target: "lb-2",
          detail: { code: "deploy.refused" },
        });
        await tx.events.append({
          ...{ ...event, renewalId: null, certificate: "www", type: "certificate.paused" },
          detail: { by: "bob", reason: "moving" },
        });
      });
    });

    const found = async (filter: HistoryFilter) => {
      const { search } = bench().store;
      const renewals = await search.renewals(filter, { limit: 10, after: null });
      const counted = [...(await search.countRenewals(filter)).values()].reduce((sum, count) => sum + count, 0);
      expect(counted).toBe(renewals.length);
      return renewals.map(({ id }) => id).join("");
    };

    const CASES: [string, HistoryFilter, string][] = [
      ["everything, newest first", {}, "cba"],
      ["a part of a certificate's name", { names: ["ai"] }, "c"],
      ["a name that it was issued for, in any case", { names: ["PAY.example"] }, "a"],
      ["a serial number as browsers show it", { serials: ["0a:bc"] }, "a"],
      ["the beginning of a serial number", { serials: ["0A:B"] }, "a"],
      ["the beginning of a fingerprint", { fingerprints: ["EF:EF"] }, "a"],
      ["the issuer that it came from", { issuers: ["other"] }, "a"],
      ["a target that it dealt with", { targets: ["lb-2"] }, "c"],
      ["who asked, in any case", { actors: ["alice"] }, "c"],
      ["who asked, as the reason ends", { actors: ["carol"] }, "b"],
      ["the beginning of a code, its own or of a step", { errors: ["acme."] }, "b"],
      ["the code of a step", { errors: ["deploy.refused"] }, "c"],
      ["a text with the characters of patterns", { words: ["100%_"] }, "b"],
      ["a text that no message holds although its pattern would", { words: ["1%0"] }, ""],
      ["states, reasons and triggers", { states: ["failed", "issuing"], triggers: ["request"] }, "c"],
      ["a span of time, its end left out", { since: NOW - DAY_MS, before: NOW }, "b"],
      ["several things at once", { names: ["www"], errors: ["acme.caa"], states: ["failed"] }, "b"],
      ["a kind of event that it has", { types: ["deploy.failed"] }, "c"],
      ["nothing of injected SQL", { words: ["' or 1=1 --"], names: ["');"] }, ""],
    ];

    test("finds what is asked for, and counts as much", async () => {
      for (const [what, filter, ids] of CASES) expect(await found(filter), what).toBe(ids);
    });

    test("goes on behind the page before", async () => {
      const { search } = bench().store;
      const rest = await search.renewals({}, { limit: 10, after: { at: NOW, id: "c" } });
      expect(rest.map(({ id }) => id)).toEqual(["b", "a"]);
      expect(await search.serials(rest)).toEqual(new Map([["a", "0ABC"]]));
    });

    test("counts by span and state", async () => {
      const from = NOW - 4 * DAY_MS;
      expect(await bench().store.search.histogram({}, { from, stepMs: DAY_MS })).toEqual([
        { from: NOW - 3 * DAY_MS, state: "succeeded", count: 1 },
        { from: NOW - DAY_MS, state: "failed", count: 1 },
        { from: NOW, state: "issuing", count: 1 },
      ]);
    });

    const EVENTS: [string, HistoryFilter, string[]][] = [
      ["who decided", { actors: ["BOB"] }, ["certificate.paused"]],
      ["what is said", { words: ["moving"] }, ["certificate.paused"]],
      ["a target", { targets: ["lb-2"] }, ["deploy.failed"]],
      ["a kind", { types: ["certificate.paused"] }, ["certificate.paused"]],
      ["events of renewals in a state", { states: ["issuing"] }, ["deploy.failed", "renewal.planned"]],
    ];

    test("finds events the same way", async () => {
      const { search } = bench().store;
      for (const [what, filter, types] of EVENTS) {
        const events = await search.events(filter, { limit: 10, beforeSeq: null });
        expect(
          events.map(({ type }) => type),
          what,
        ).toEqual(types);
        expect(await search.countEvents(filter), what).toBe(types.length);
      }
    });
  });
}
