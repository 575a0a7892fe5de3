import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { allRoles, green, startNight, suffer } from "./night.ts";
import { FAULTS } from "./nightFaults.ts";

it("at night: status alone names what broke within a minute, and its advice, typed as it stands, makes it green again", {
  timeout: 1_800_000,
}, async () => {
  await using night = await startNight();
  await writeFile(join(night.home, "page"), "#!/bin/sh\nexit 0\n", { mode: 0o755 });
  await allRoles(night);
  await night.system.ended("www", 60_000);
  await green(night);
  const missed: string[] = [];
  for (const fault of FAULTS) {
    try {
      const { namedMs, greenMs } = await suffer(night, fault);
      console.log(`${fault.title}: named after ${Math.round(namedMs)} ms, green after ${Math.round(greenMs)} ms`);
    } catch (error) {
      missed.push(`${fault.title}: ${error instanceof Error ? error.message : String(error)}`);
      break;
    }
  }
  expect(missed).toEqual([]);
});
