import { describe, expect, test } from "vitest";
import { csvHead, csvLines } from "../../../src/reports/lists/csv.ts";
import { allOf, type List, type ListPage, pageOf, readQuery, writeQuery } from "../../../src/reports/lists/list.ts";
import { weekOf } from "../../../src/reports/lists/week.ts";

interface Fruit {
  readonly name: string;
  readonly colour: string;
  readonly ripe: boolean;
  readonly weight: number | null;
}

const FRUIT: List<Fruit> = {
  name: "fruit",
  columns: [
    { key: "name", title: "Name", value: ({ name }) => name },
    { key: "weight", title: "Weight", value: ({ weight }) => weight },
  ],
  facets: [
    { key: "colour", title: "Colour", values: ({ colour }) => [colour] },
    { key: "ripe", title: "Ripe", values: ({ ripe }) => [ripe ? "yes" : "no"] },
  ],
  sorts: { weight: ({ weight }) => weight, name: ({ name }) => name },
  defaultSort: "weight",
  id: ({ name }) => name,
  text: ({ name, colour }) => [name, colour],
};

const COLOURS = ["red", "green", "blue"];
const rows: Fruit[] = Array.from({ length: 100 }, (_, index) => ({
  name: `f${String(index).padStart(3, "0")}`,
  colour: COLOURS[index % 3] ?? "",
  ripe: index % 2 === 0,
  // Several rows of one weight, and some without.
  weight: index % 10 === 0 ? null : index % 7,
}));

const query = (text: string) => readQuery(FRUIT, new URLSearchParams(text));

describe("a list", () => {
  test("says for every value of every facet how many rows its link selects", () => {
    for (const url of ["", "colour=red", "colour=red&colour=blue&ripe=yes", "q=f01", "ripe=no&q=blue"]) {
      const { counts } = pageOf(FRUIT, rows, query(url));
      for (const [key, values] of counts) {
        for (const [value, count] of values) {
          const asked = query(url);
          const linked = { ...asked, facets: new Map([...asked.facets, [key, [value]]]) };
          expect(pageOf(FRUIT, rows, linked).total, `${url} ${key}=${value}`).toBe(count);
        }
      }
    }
  });

  test("comes in pages that leave no row out and repeat none, in both directions, rows without a value last", () => {
    for (const sort of ["weight", "-weight", "name", "-name"]) {
      const seen: Fruit[] = [];
      let after: string | null = "";
      while (after !== null) {
        const page: ListPage<Fruit> = pageOf(FRUIT, rows, query(`sort=${sort}&limit=7&after=${after}`));
        expect(page.before).toBe(seen.length);
        seen.push(...page.rows);
        after = page.next;
      }
      expect(seen.map(({ name }) => name).toSorted()).toEqual(rows.map(({ name }) => name));
      expect(seen).toEqual(allOf(FRUIT, rows, query(`sort=${sort}`)));
      if (sort.endsWith("weight")) expect(seen.slice(-10).every(({ weight }) => weight === null)).toBe(true);
    }
  });

  test("goes on behind a row that is gone", () => {
    const first = pageOf(FRUIT, rows, query("sort=name&limit=10"));
    const without = rows.filter(({ name }) => name !== first.rows.at(-1)?.name);
    const second = pageOf(FRUIT, without, query(`sort=name&limit=10&after=${first.next}`));
    expect(second.rows[0]?.name).toBe("f010");
  });

  test("keeps its whole state in the URL", () => {
    const url = "?q=red+fruit&colour=red&colour=blue&ripe=yes&sort=-name&limit=20";
    expect(writeQuery(FRUIT, query(url))).toBe(url);
    expect(writeQuery(FRUIT, query(""))).toBe("");
  });

  test.each([
    ["sort=__proto__", "sort: there is no order"],
    ["sort=constructor", "sort: there is no order"],
    ["after=%00", "after: is no cursor"],
    ["after=eyJhIjoxfQ", "after: is no cursor"],
    [`after=${"A".repeat(5000)}`, "after: is no cursor"],
    ["limit=-1", "limit: must be"],
    ["limit=1e9", "limit: must be"],
    [`q=${"x".repeat(201)}`, "q: must be at most"],
    [`colour=${"x".repeat(201)}`, "colour: must be at most"],
  ])("refuses %s by its name", (text, message) => {
    expect(() => query(text)).toThrow(message);
  });

  test("takes at most 200 rows, however many are asked for, and ignores what is not its own", () => {
    expect(query("limit=99999&utm_source=mail")).toMatchObject({ limit: 200, facets: new Map() });
  });
});

test("a CSV file quotes what separates, and no cell is a formula", () => {
  const hostile: Fruit = { name: '=HYPERLINK("http://x"),\u001b[31m', colour: "", ripe: true, weight: 3 };
  expect([...csvHead(FRUIT.columns), ...csvLines(FRUIT.columns, [hostile])].join("")).toBe(
    'name,weight\r\n"\'=HYPERLINK(""http://x""),\\x1b[31m",3\r\n',
  );
});

test("a week belongs to the year of its Thursday", () => {
  expect(weekOf(Date.UTC(2026, 0, 1))).toBe("2026-W01");
  expect(weekOf(Date.UTC(2027, 0, 3))).toBe("2026-W53");
  expect(weekOf(Date.UTC(2027, 0, 4))).toBe("2027-W01");
});
