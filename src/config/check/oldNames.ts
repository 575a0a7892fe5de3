import { z } from "zod";
import type { Problems } from "../read/problems.ts";
import type { Raw } from "./sections.ts";

/** Keys that were renamed inside the entries of a section. The schema still reads the old name. */
const RENAMED = [{ section: "issuers", old: "quarantined", now: "distrusted" }] as const;

const mapping = z.record(z.string(), z.unknown()).catch({});

/** Notes each old name with its new one. Both names in one entry may contradict each other, so that is a mistake. */
export function checkOldNames(raw: Raw, problems: Problems): void {
  for (const { section, old, now } of RENAMED) {
    for (const [name, written] of Object.entries(mapping.parse(raw[section]))) {
      const entry = mapping.parse(written);
      if (!Object.hasOwn(entry, old)) continue;
      const path = [section, name, old];
      if (Object.hasOwn(entry, now))
        problems.add(path, `is the old name of \`${now}\`, which is set as well: remove \`${old}\``, "key");
      else problems.note(path, `is called \`${now}\` now: rename it; the old name still works`);
    }
  }
}
