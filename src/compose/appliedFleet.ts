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
  for await (const part of parts(store, { after: null, size: NAMES_MAX }, onAltered)) found.push(...part);
  return found;
}

async function readPage(
  store: Reading,
  { after, limit, fits = () => true, holding }: FleetPage,
  onAltered: () => void,
): Promise<Paged> {
  const found: Certificate[] = [];
  for await (const part of parts(store, { after, size: limit + 1, holding }, onAltered)) {
    found.push(...part.filter(fits));
    if (found.length > limit) break;
  }
  return pageOf(found, limit);
}

async function* parts(
  store: Reading,
  { after: from, size, holding }: Pick<FleetPage, "after" | "holding"> & { readonly size: number },
  onAltered: () => void,
): AsyncGenerator<Certificate[]> {
  // Where few fit, more are read at a time than a page holds.
  const limit = holding === undefined ? Math.min(size, NAMES_MAX) : NAMES_MAX;
  const wanted = { limit, ...(holding !== undefined && { holding }) };
  let after = from;
  for (let isFull = true; isFull; ) {
    const leftOut: string[] = [];
    const part = await store.applied.certificates({ ...wanted, ...(after !== null && { after }) }, (name, why) => {
      leftOut.push(name);
      if (why === "altered") onAltered();
    });
    yield part;
    const names = [...part.map(({ name }) => name), ...leftOut].sort();
    isFull = names.length === limit;
    after = names.at(-1) ?? after;
  }
}
