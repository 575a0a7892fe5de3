import { describe, expect, test } from "vitest";
import { configFile, estate } from "./configFile.ts";

const www = (maintenance: string): string =>
  `  www: { names: [www.example.org], endpoints: ["www.example.org:443"], maintenance: ${maintenance} }`;

describe("maintenance", () => {
  test("comes from the defaults, and what a certificate says replaces them", async () => {
    const plain = `  api: { names: [api.example.org], endpoints: ["api.example.org:443"] }`;
    const defaults = `maintenance: { windows: [{ cron: "0 2 * * sun", duration: 3h, timeZone: Europe/Berlin }] }`;
    const text = estate(`${www("{ windows: [] }")}\n${plain}`).replace(
      "targets: [edge] }",
      `targets: [edge], ${defaults} }`,
    );
    await using file = await configFile(text);
    const { certificates } = await file.config();
    expect(certificates.map(({ maintenance }) => maintenance.windows)).toEqual([
      [],
      [{ cron: "0 2 * * sun", durationMs: 3 * 3_600_000, timeZone: "Europe/Berlin" }],
    ]);
  });

  test("takes plain dates as whole days where the operator is, and instants as they are", async () => {
    const days = `{ from: 2026-12-20, until: 2027-01-03, timeZone: Europe/Berlin, reason: Christmas }`;
    const hours = `{ from: "2026-11-27T08:00:00+01:00", until: "2026-11-27T20:00:00+01:00" }`;
    await using file = await configFile(estate(www(`{ freezes: [${days}, ${hours}] }`)));
    const [certificate] = (await file.config()).certificates;
    expect(certificate?.maintenance.freezes).toEqual([
      { from: Date.parse("2026-12-19T23:00:00Z"), until: Date.parse("2027-01-03T23:00:00Z"), reason: "Christmas" },
      { from: Date.parse("2026-11-27T07:00:00Z"), until: Date.parse("2026-11-27T19:00:00Z"), reason: "freeze" },
    ]);
  });

  test("changes no digest: a freeze that is added must not deploy the fleet anew", async () => {
    const digest = async (maintenance: string): Promise<string | undefined> => {
      await using file = await configFile(estate(www(maintenance)));
      return (await file.config()).certificates[0]?.digest;
    };
    expect(await digest("{ freezes: [{ from: 2026-12-20, until: 2027-01-03 }] }")).toBe(await digest("{}"));
  });

  test.each([
    [`{ windows: [{ cron: "0 2 * *", duration: 3h }] }`, /windows\[0\].cron: must be five cron fields/],
    [`{ windows: [{ cron: "0 0 31 2 *", duration: 3h }] }`, /windows\[0\].cron: must be five cron fields/],
    [
      `{ windows: [{ cron: "0 2 * * *", duration: 3h, timeZone: Europe/Berln }] }`,
      /timeZone: must be a time zone such as/,
    ],
    [`{ windows: [{ cron: "0 2 * * *" }] }`, /duration: is missing/],
    [`{ freezes: [{ from: 2026-12-20, until: tomorrow }] }`, /until: must be a date such as/],
    [`{ freezes: [{ from: 2026-02-30, until: 2026-03-03 }] }`, /from: must be a date such as/],
    [`{ freezes: [{ from: 2026-12-20, until: 2026-12-01 }] }`, /until: ends before it begins/],
  ])("%s is refused with what to write instead", async (maintenance, problem) => {
    await using file = await configFile(estate(www(maintenance)));
    expect((await file.problems()).join("\n")).toMatch(problem);
  });
});
