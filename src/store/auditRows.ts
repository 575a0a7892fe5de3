import { isIntact, SEALED, type SealedRow, type SealedTable } from "./rowSeal.ts";
import type { Db, Schema } from "./schema.ts";
import { sealedRows } from "./sealedRows.ts";
import type { Vault } from "./vault.ts";

/** A row outside the history that is not as renewd wrote it. */
export interface RowFault {
  /** Table and key, such as `versions www 3`. */
  readonly row: string;
  /** Contradictory: the history says otherwise. */
  readonly kind: "altered" | "missing" | "contradictory";
}

/** A report that names more helps nobody. */
const FAULTS_MAX = 10_000;

const ENDS = {
  "renewal.succeeded": "succeeded",
  "renewal.failed": "failed",
  "renewal.cancelled": "cancelled",
  "renewal.rolledBack": "rolledBack",
} as const;

/** What the events say must be in other tables. */
export class HistoryClaims {
  /** How each renewal ended; null: it has not, as far as its events say. */
  readonly #ends = new Map<string, string | null>();
  readonly #versions = new Set<string>();

  /** An event whose seal was checked. */
  add({ type, renewalId, certificate, detail }: Schema["events"]): void {
    if (type === "renewal.planned" && renewalId !== null) this.#ends.set(renewalId, null);
    if (renewalId !== null && Object.hasOwn(ENDS, type) && this.#ends.has(renewalId))
      this.#ends.set(renewalId, ENDS[type as keyof typeof ENDS]);
    if (type !== "version.issued" && type !== "version.imported") return;
    const { generation }: { generation?: unknown } = JSON.parse(detail);
    if (typeof generation === "number") this.#versions.add(nameOf("versions", { certificate, generation }));
  }

  /** Call for every row. Returns whether it contradicts the history. */
  contradicts(table: SealedTable, row: SealedRow): boolean {
    if (table === "versions") this.#versions.delete(nameOf(table, row));
    if (table !== "renewals") return false;
    const id = String(row.id);
    const end = this.#ends.get(id) ?? null;
    this.#ends.delete(id);
    return end !== null && row.state !== end;
  }

  /** After every row: what the history has and the tables have not. */
  missing(): string[] {
    return [...[...this.#ends.keys()].map((id) => nameOf("renewals", { id })), ...this.#versions];
  }
}

/** Checks every sealed row; each fault names its row. */
export async function auditRows(db: Db, vault: Vault, claims: HistoryClaims, now: number): Promise<RowFault[]> {
  const faults: RowFault[] = [];
  const add = (row: string, kind: RowFault["kind"]): void => {
    if (faults.length < FAULTS_MAX) faults.push({ row, kind });
  };
  for (const table of Object.keys(SEALED) as SealedTable[]) {
    for await (const row of sealedRows(db, table)) {
      const contradictory = claims.contradicts(table, row);
      // An expired answer is served to nobody and removed with the next one.
      if (table === "challenges" && Number(row.expiresAt) <= now) continue;
      if (!isIntact(vault, table, row)) add(nameOf(table, row), "altered");
      else if (contradictory) add(nameOf(table, row), "contradictory");
    }
  }
  for (const row of claims.missing()) add(row, "missing");
  return faults;
}

function nameOf(table: SealedTable, row: Readonly<Record<string, unknown>>): string {
  return [table, ...SEALED[table].key.map((column) => String(row[column]))].join(" ");
}
