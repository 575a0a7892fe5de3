import type { Selectable } from "kysely";
import type { Renewal } from "../../domain/renewal.ts";
import { toStorable } from "../dialect/driver.ts";
import type { Db, Schema } from "../schema.ts";

export type HeldRenewal = Renewal & Pick<Selectable<Schema["renewals"]>, "seal">;

/**
 * Renewals that a transaction has locked, claimed or inserted. Nobody else changes them until it ends, so they are not
 * read again: neither to seal a change, nor for the decision that follows it. Outside of a transaction it keeps none.
 */
export class HeldRenewals {
  readonly #rows = new Map<string, HeldRenewal>();
  readonly #inTransaction: boolean;

  constructor(db: Db) {
    this.#inTransaction = db.isTransaction;
  }

  get(id: string): HeldRenewal | null {
    return this.#rows.get(id) ?? null;
  }

  /** As the database keeps it. */
  keep(row: HeldRenewal): void {
    if (!this.#inTransaction) return;
    const stored = Object.entries(row).map(([column, value]) => [column, toStorable(value)]);
    this.#rows.set(row.id, { ...row, ...Object.fromEntries(stored) });
  }

  change(id: string, written: Partial<HeldRenewal>): void {
    const row = this.get(id);
    const given = Object.entries(written).filter(([, value]) => value !== undefined);
    if (row !== null) this.keep({ ...row, ...Object.fromEntries(given) });
  }

  forget(id: string): void {
    this.#rows.delete(id);
  }
}

export function withoutSeal({ seal: _, ...renewal }: HeldRenewal): Renewal {
  return renewal;
}
