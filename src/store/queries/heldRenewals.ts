import type { Selectable } from "kysely";
import { RenewalError } from "../../domain/errors.ts";
import type { Renewal } from "../../domain/renewal.ts";
import { toStorable } from "../dialect/driver.ts";
import { patchedSeal, SEALED } from "../rowSeal.ts";
import type { Db, Schema } from "../schema.ts";
import type { Vault } from "../vault.ts";

type Row = Selectable<Schema["renewals"]>;
/** Without the order's state where that was not read. */
export type HeldRenewal = Omit<Row, OrderColumn> & Partial<Pick<Row, OrderColumn>>;
export type OrderColumn = (typeof ORDER_COLUMNS)[number];

export const ORDER_COLUMNS = ["sealedKey", "orderUrl", "csr"] as const;
const SEALED_COLUMNS: readonly string[] = SEALED.renewals.columns;

interface Held {
  /** As it is in the database. */
  stored: HeldRenewal;
  /** An event says that it has ended, perhaps a forged one; null: nobody asked. */
  readonly hasEnd: boolean | null;
  /** With what this transaction changes. */
  row: HeldRenewal;
}

/**
 * Renewals that a transaction has locked, claimed or inserted. Nobody else changes them until it ends, so they are not
 * read again, neither to seal a change nor for the decision that follows it, and all their changes are written at once:
 * before anything else of the table is read, at the latest when the transaction ends. Outside of a transaction it keeps
 * none.
 */
export class HeldRenewals {
  readonly #held = new Map<string, Held>();
  /** Those of them that may differ from what is in the database: a transaction may hold very many. */
  readonly #changed = new Set<Held>();
  readonly #db: Db;
  readonly #vault: Vault;

  constructor(db: Db, vault: Vault) {
    this.#db = db;
    this.#vault = vault;
  }

  get(id: string): HeldRenewal | null {
    return this.#held.get(id)?.row ?? null;
  }

  /** As `lockRow` gave it; null: it was not locked. */
  locked(id: string): (Pick<Held, "stored" | "row"> & { readonly hasEnd: boolean }) | null {
    const held = this.#held.get(id);
    return held === undefined || held.hasEnd === null ? null : { ...held, hasEnd: held.hasEnd };
  }

  /** The row as the database keeps it. */
  keep(row: HeldRenewal, hasEnd: boolean | null = this.#held.get(row.id)?.hasEnd ?? null): void {
    if (!this.#db.isTransaction) return;
    const stored = { ...row, ...storable(row) };
    this.forget(row.id);
    this.#held.set(row.id, { stored, row: stored, hasEnd });
  }

  /** Compare-and-set on the fence. Null: the row is not held. */
  change(id: string, fence: number, patch: Partial<HeldRenewal>): boolean | null {
    const held = this.#held.get(id);
    if (held === undefined) return null;
    if (held.row.fence !== fence) return false;
    held.row = { ...held.row, ...storable(patch) };
    this.#changed.add(held);
    return true;
  }

  forget(id: string): void {
    const held = this.#held.get(id);
    if (held !== undefined) this.#changed.delete(held);
    this.#held.delete(id);
  }

  async flush(): Promise<void> {
    for (const held of this.#changed) {
      const { stored, row } = held;
      const before: Readonly<Record<string, unknown>> = { ...stored };
      const changed = Object.fromEntries(Object.entries(row).filter(([column, value]) => value !== before[column]));
      const columns = Object.keys(changed);
      if (columns.length === 0) continue;
      const isSealed = columns.some((column) => SEALED_COLUMNS.includes(column));
      const seal = isSealed ? patchedSeal(this.#vault, "renewals", stored, changed) : {};
      const { numUpdatedRows } = await this.#db
        .updateTable("renewals")
        .set({ ...changed, ...seal })
        .where("id", "=", stored.id)
        .where("fence", "=", stored.fence)
        .executeTakeFirst();
      if (numUpdatedRows !== 1n) throw new RenewalError("internal.bug", `renewal ${stored.id} was changed while held`);
      this.keep({ ...row, ...seal });
    }
  }
}

/** As the database gives it back; what is undefined is left out. */
function storable(row: Partial<HeldRenewal>): Partial<HeldRenewal> {
  const given = Object.entries(row).filter(([, value]) => value !== undefined);
  return Object.fromEntries(given.map(([column, value]) => [column, toStorable(value)]));
}

/** Without seal and order. */
export function asRenewal({ seal: _, sealedKey: _key, orderUrl: _url, csr: _csr, ...renewal }: HeldRenewal): Renewal {
  return renewal;
}
