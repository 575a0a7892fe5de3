// Every private key renewd ever made is looked for wherever it must not be.
import { contents } from "../support/pairs/contents.ts";
import type { World } from "./world.ts";

/** From the middle of a PKCS#8 body, where no other key has the same. */
const NEEDLE = [80, 128] as const;

/**
 * One line for each place that holds a private key in the clear: Redis' dump and append-only file, database, history,
 * logs.
 */
export async function findSecrets({ system, fleet, sites }: World): Promise<string[]> {
  const { store, redis, dataDir } = system;
  const needles: string[] = [];
  for (const { certificate } of sites) {
    for (const { generation } of await store.versions.list(certificate)) {
      const key = await store.versions.privateKey(certificate, generation);
      needles.push(
        key
          .reveal()
          .replaceAll("\n", "")
          .slice(...NEEDLE),
      );
    }
  }
  await redis.command("SAVE").catch(() => undefined);
  const places = new Map([
    ["the workers' logs", fleet.logs().join("\n")],
    ...(await contents(redis.directory)),
    ...(await contents(dataDir)),
  ]);
  const found: string[] = [];
  for (const [place, text] of places) {
    const flat = text.replaceAll("\\n", "").replaceAll("\n", "");
    if (/BEGIN [A-Z ]*PRIVATE KEY/.test(flat) || needles.some((needle) => flat.includes(needle)))
      found.push(`a private key is readable in ${place}`);
  }
  return found;
}
