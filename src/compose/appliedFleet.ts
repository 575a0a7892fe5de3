import type { AppliedConfiguration } from "../domain/applied.ts";
import type { Certificate } from "../domain/certificate.ts";
import { NAMES_MAX, type Store } from "../domain/store.ts";
import { type ConfiguredFleet, type FleetPage, loadedFleet, type Paged, pageOf } from "../reports/configured.ts";

type Reading = { readonly applied: Pick<Store["applied"], "certificates" | "names"> };

/**
 * The certificates that the planner has applied, read as far as they are asked for. `whole` is asked instead once rows are
 * found that renewd did not write.
 */
export function appliedFleet(
  store: Reading,
  { certificates: count, uses, release }: Pick<AppliedConfiguration, "certificates" | "uses" | "release">,
  whole: () => Promise<ConfiguredFleet>,
): ConfiguredFleet {
  let loaded: Promise<ConfiguredFleet> | null = null;
  const intact = async <T>(
    read: (onAltered: () => void) => Promise<T>,
    otherwise: (fleet: ConfiguredFleet) => Promise<T>,
  ): Promise<T> => {
    let altered = 0;
    const count = (): void => {
      altered += 1;
    };
    const found = loaded === null ? await read(count) : null;
    if (found !== null && altered === 0) return found;
    loaded ??= whole();
    return otherwise(await loaded);
  };
  return {
    count,
    release,
    names: () => store.applied.names(),
    uses: async () => uses,
    all: () =>
      intact(
        (onAltered) => readAll(store, onAltered),
        (fleet) => fleet.all(),
      ),
    named: (names) =>
      intact(
        (onAltered) => store.applied.certificates({ names, limit: names.length }, onAltered),
        (fleet) => fleet.named(names),
      ),
    page: (page) =>
      intact(
        (onAltered) => readPage(store, page, onAltered),
        (fleet) => fleet.page(page),
      ),
  };
}

/** Without what somebody else wrote: while the file is wrong nothing else is known. */
export async function intactFleet(store: Reading): Promise<ConfiguredFleet> {
  return loadedFleet(await readAll(store, () => {}));
}

async function readAll(store: Reading, onAltered: () => void): Promise<Certificate[]> {
  const found: Certificate[] = [];
  for await (const part of parts(store, null, NAMES_MAX, onAltered)) found.push(...part);
  return found;
}

async function readPage(
  store: Reading,
  { after, limit, fits = () => true }: FleetPage,
  onAltered: () => void,
): Promise<Paged> {
  const found: Certificate[] = [];
  for await (const part of parts(store, after, limit + 1, onAltered)) {
    found.push(...part.filter(fits));
    if (found.length > limit) break;
  }
  return pageOf(found, limit);
}

async function* parts(
  store: Reading,
  from: string | null,
  size: number,
  onAltered: () => void,
): AsyncGenerator<Certificate[]> {
  const limit = Math.min(size, NAMES_MAX);
  let after = from;
  for (let isFull = true; isFull; ) {
    const altered: string[] = [];
    const part = await store.applied.certificates({ limit, ...(after !== null && { after }) }, (name) => {
      altered.push(name);
      onAltered();
    });
    yield part;
    const names = [...part.map(({ name }) => name), ...altered].sort();
    isFull = names.length === limit;
    after = names.at(-1) ?? after;
  }
}
