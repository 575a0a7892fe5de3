import { expect, test } from "vitest";
import type { SteadyEnd, SteadyMembers, StoredPart } from "../../src/domain/steady.ts";
import { sumOf } from "../../src/reports/steady.ts";
import { SteadyParts } from "../../src/reports/steadyParts.ts";

const SIZE = 500;
const PARTS = 200;

interface Listed {
  readonly part: StoredPart;
  readonly members: SteadyMembers;
}

const nameOf = (index: number): string => `c${String(index).padStart(6, "0")}`;

/** Of a hundred thousand certificates; the last of each part is not steady. */
function fleetOf(parts: number): Listed[] {
  return Array.from({ length: parts }, (_, index): Listed => {
    const names = Array.from({ length: SIZE }, (__, place) => nameOf(index * SIZE + place));
    const last = names.at(-1) ?? "";
    const provedLive = names.slice(0, -1).map((name, place): SteadyEnd => [name, 1_000 * index + place]);
    const members = { provedLive, notProved: [] };
    const between = { after: index === 0 ? "" : nameOf(index * SIZE - 1), last: index === parts - 1 ? null : last };
    const known = { checkedAt: 10_000 - index, seq: 7 + index, release: "1", vantages: [], membersDigest: "" };
    return { part: { ...between, ...known, steady: sumOf(members), others: [last] }, members };
  });
}

/** Which lists were read; those of `gone` are not as they were written. */
function storeOf(fleet: readonly Listed[], gone: readonly string[] = []) {
  const read: string[] = [];
  const members = async (parts: readonly StoredPart[]) => {
    read.push(...parts.map(({ after }) => after));
    const wanted = fleet.filter(({ part }) => parts.includes(part) && !gone.includes(part.after));
    return new Map(wanted.map((each) => [each.part.after, each.members]));
  };
  return { read, members };
}

test("a hundred thousand certificates to which nothing happened are 200 sums, and no list is read", async () => {
  const fleet = fleetOf(PARTS);
  const store = storeOf(fleet);
  const parts = new SteadyParts(fleet.map(({ part }) => part));
  const { others, ...sums } = await parts.sum(store);
  expect(store.read).toEqual([]);
  expect(sums).toEqual({
    ...{ provedLive: PARTS * (SIZE - 1), notProved: 0, checkedSince: 10_000 - PARTS + 1 },
    nextExpiry: { certificate: nameOf(0), at: 0 },
  });
  expect(others).toHaveLength(PARTS);
  expect(parts.firstSeq).toBe(7);
});

test("what is set aside counts in no sum, and only the lists of its parts are read", async () => {
  const fleet = fleetOf(PARTS);
  const store = storeOf(fleet);
  const parts = new SteadyParts(fleet.map(({ part }) => part));
  // The second is one of those that are read in any case, the last is no certificate.
  const aside = [nameOf(0), nameOf(0), nameOf(2 * SIZE - 1), nameOf(7 * SIZE + 3), `${nameOf(9 * SIZE)}-left`];
  expect(aside.map((name) => parts.setAside(name))).toEqual([true, false, false, true, true]);
  const { others, ...sums } = await parts.sum(store);
  expect(store.read).toEqual([0, 7, 9].map((index) => fleet[index]?.part.after));
  expect(sums).toMatchObject({
    provedLive: PARTS * (SIZE - 1) - 2,
    nextExpiry: { certificate: nameOf(1), at: 1 },
  });
  expect(others).toHaveLength(PARTS + 2);
  expect(others).toEqual(expect.arrayContaining([nameOf(0), nameOf(7 * SIZE + 3)]));
});

test("a part whose list is not as it was written is no longer believed", async () => {
  const fleet = fleetOf(3);
  const store = storeOf(fleet, [nameOf(SIZE - 1)]);
  const parts = new SteadyParts(fleet.map(({ part }) => part));
  parts.setAside(nameOf(SIZE));
  expect(await parts.sum(store)).toMatchObject({ provedLive: 2 * (SIZE - 1) });
  const names = Array.from({ length: 3 * SIZE }, (_, index) => nameOf(index));
  expect(await parts.unknownAmong(names, store)).toEqual(names.slice(SIZE, 2 * SIZE));
});

test("a certificate that came later is in no part", async () => {
  const fleet = fleetOf(3);
  const parts = new SteadyParts(fleet.map(({ part }) => part));
  const names = [nameOf(1), `${nameOf(1)}-new`, nameOf(SIZE), nameOf(2 * SIZE - 1)];
  expect(await parts.unknownAmong(names, storeOf(fleet))).toEqual([`${nameOf(1)}-new`]);
});

test.each([
  ["before all", "a", 0],
  ["the first one of the second part", nameOf(SIZE), 1],
  ["the last one of the first part", nameOf(SIZE - 1), 0],
  ["behind all", "z", 2],
])("a name belongs to one part: %s", (_, name, index) => {
  const fleet = fleetOf(3);
  const parts = new SteadyParts(fleet.map(({ part }) => part));
  expect(parts.of(name)).toBe(fleet[index]?.part);
  const without = new SteadyParts(fleet.map(({ part }) => part).filter((__, each) => each !== index));
  expect(without.of(name)).toBeNull();
});
