import { expect, it } from "vitest";
import type { Observation } from "../../../src/domain/endpoint.ts";
import { askMembers } from "../../../src/renewal/watch/members.ts";

const ASKING = { usual: 10, changed: 40, settled: 40 };

/** What one connection showed: the certificate with this fingerprint; null: nothing. */
function seen(fingerprint: string | null): Observation {
  const life = { notBefore: 0, notAfter: 1 };
  const served =
    fingerprint === null ? null : { fingerprint, serial: "0A", subjectAltNames: [], issuer: "CA", ...life };
  const problem = served === null ? { code: "verify.timeout", message: "no handshake" } : null;
  const base = { address: "192.0.2.1", port: 443, sni: "a.example", at: 0, durationMs: 1 };
  return { ...base, served: served && { ...served, chain: [] }, problem };
}

interface Before {
  /** Certificates of the last look; null: there was none. */
  readonly known?: readonly (string | null)[] | null;
  readonly owed?: number;
  readonly asking?: typeof ASKING;
}

/** `answer` gets the number of the connection, from 1 on. */
async function ask(
  answer: (connection: number) => string | null,
  { known = null, owed, asking = ASKING }: Before = {},
) {
  let connections = 0;
  const one = async () => seen(answer(++connections));
  const before = (each: string | null): Observation => ({ ...seen(each), ...(owed !== undefined && { owed }) });
  const last = known === null ? null : known.map(before);
  const found = await askMembers({ first: await one(), last, ask: one }, asking);
  const [first, ...others] = found;
  return { connections, owed: first?.owed, others: others.map(({ served }) => served?.fingerprint) };
}

it("asks a few times while nothing changes, and as often as a proof takes after a change", async () => {
  expect(await ask(() => "new")).toEqual({ connections: 10, others: [] });
  expect(await ask(() => "new", { known: ["new"] })).toEqual({ connections: 10, others: [] });
  expect(await ask(() => "new", { known: ["old"] })).toEqual({ connections: 40, others: [] });
  const mixed = await ask(() => "new", { known: ["old", "new"] });
  expect(mixed, "it was mixed at the last look").toMatchObject({ connections: 40 });
  const lost = await ask(() => "new", { known: [] });
  expect(lost, "its name did not resolve at the last look").toMatchObject({ connections: 40 });
});

it("stops soon after it met the other member, as both are known then, and gives each certificate once", async () => {
  const known = ["old"];
  expect(await ask((n) => (n === 18 ? "old" : "new"), { known })).toEqual({ connections: 21, others: ["old"] });
  const three = (n: number) => (n === 1 ? "new" : n % 2 ? "old" : "older");
  expect(await ask(three)).toEqual({ connections: 10, others: ["older", "old"] });
});

it("asks nobody who is silent again, and no more after a group that was", async () => {
  expect(await ask((n) => (n === 1 ? "new" : null))).toMatchObject({ connections: 5, others: [] });
  expect(await ask(() => null, { known: ["old"] })).toMatchObject({ connections: 1, others: [] });
});

it("asks at the next look for the answers that a change is owed: silence and a busy hour hide no member", async () => {
  const busy = { usual: 1, changed: 10, settled: 40 };
  expect(await ask(() => "new", { known: ["old"], asking: busy })).toEqual({ connections: 10, owed: 30, others: [] });
  expect(await ask(() => "new", { known: ["new"], owed: 30 })).toEqual({ connections: 30, others: [] });
  const silentAfter = (last: number) => (n: number) => (n > last ? null : "new");
  expect(await ask(silentAfter(9), { known: ["old"] })).toEqual({ connections: 13, owed: 31, others: [] });
  const half = await ask((n) => (n % 2 ? "new" : null), { known: ["old"] });
  expect(half, "half of the connections are dropped").toMatchObject({ connections: 79, others: [] });
  expect(half.owed).toBeUndefined();
  const dropped = await ask((n) => (n % 4 === 1 ? "new" : null), { known: ["old"] });
  expect(dropped).toEqual({ connections: 80, owed: 20, others: [] });
  const down = await ask(() => null, { known: ["old"] });
  expect(down.owed, "another server may answer next").toBe(40);
  expect(await ask(() => "new", { known: [null], owed: 40 })).toEqual({ connections: 40, others: [] });
});
