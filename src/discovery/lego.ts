import type { Lineage } from "./found.ts";
import type { Machine } from "./machine.ts";

/** lego writes below its working directory unless `--path` is given; these are what its packages and users take. */
const HOMES = ["/root/.lego", "/etc/lego", "/var/lib/lego", "/opt/lego"];

/** Reads lego's certificates: `NAME.json` beside `NAME.crt` and `NAME.key`. It does not keep how it validated. */
export async function findLego(machine: Machine): Promise<Lineage[]> {
  const lineages: Lineage[] = [];
  for (const home of HOMES)
    for (const file of await machine.list(`${home}/certificates`)) {
      if (!file.endsWith(".json")) continue;
      const name = file.slice(0, -".json".length);
      const base = `${home}/certificates/${name}`;
      lineages.push({
        client: "lego",
        name,
        names: [],
        certificate: `${base}.crt`,
        key: `${base}.key`,
        directory: null,
        challenge: { type: "unknown" },
        hook: null,
        place: `${base}.json`,
      });
    }
  return lineages;
}
