import { expect, it } from "vitest";
import type { Observation } from "../../../src/domain/endpoint.ts";
import { askMembers } from "../../../src/renewal/watch/members.ts";

const ASKING = { usual: 10, changed: 40 };

/** What one connection showed: the certificate with this fingerprint; null: nothing. */
function seen(fingerprint: string | null): Observation {
  const life = { notBefore: 0, notAfter: 1 };
  const served =
    fingerprint === null ? null : { fingerprint, serial: "0A", subjectAltNames: [], issuer: "CA", ...life };
  const problem = served === null ? { code: "verify.timeout", message: "no handshake" } : null;
  const base = { address: "192.0.2.1", port: 443, sni: "a.example", at: 0, durationMs: 1 };
  return { ...base, served: served && { ...served, chain: [] }, problem };
}

/** `answer` gets the number of the connection, from 2 on. */
async function ask(answer: (connection: number) => string | null, known: readonly string[] = [], first = "new") {
  let connections = 1;
  const one = async () => seen(answer(++connections));
  const others = await askMembers({ seen: seen(first), known: new Set(known), ask: one }, ASKING);
  return { connections, others: others.map(({ served }) => served?.fingerprint) };
}

it("asks a few times while nothing changes, and as often as a proof takes after a change", async () => {
  expect(await ask(() => "new")).toEqual({ connections: 10, others: [] });
  expect(await ask(() => "new", ["new"])).toEqual({ connections: 10, others: [] });
  expect(await ask(() => "new", ["old"])).toEqual({ connections: 40, others: [] });
  expect(await ask(() => "new", ["old", "new"]), "it was mixed at the last look").toMatchObject({ connections: 40 });
});

it("stops soon after it met the other member, as both are known then, and gives each certificate once", async () => {
  expect(await ask((n) => (n === 18 ? "old" : "new"), ["old"])).toEqual({ connections: 21, others: ["old"] });
  expect(await ask((n) => (n % 2 ? "old" : "older"))).toEqual({ connections: 10, others: ["older", "old"] });
});

it("asks nobody who is silent again, and no more after a group that was", async () => {
  const { connections, others } = await ask(() => null);
  expect([connections, others]).toEqual([5, []]);
  let asked = 0;
  const count = async () => {
    asked += 1;
    return seen("new");
  };
  expect(await askMembers({ seen: seen(null), known: new Set(["old"]), ask: count }, ASKING)).toEqual([]);
  expect(asked).toBe(0);
});
