import { z } from "zod";
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

/** What an event says of rows of other tables. Rows of the other events cannot be told from their detail. */
const claimJson = z.object({
  generation: z.number().optional().catch(undefined),
  change: z.string().optional().catch(undefined),
  replacement: z.string().optional().catch(undefined),
  issuer: z.string().optional().catch(undefined),
  before: z.string().optional().catch(undefined),
  directory: z.string().optional().catch(undefined),
});

const BRINGS_VERSION: readonly string[] = ["version.issued", "version.imported", "version.renamed"];

/**
 * What the events say must be in other tables. Answers to challenges live for minutes and end without an event: that one
 * was deleted shows as a failed validation.
 */
export class HistoryClaims {
  /** How each renewal ended; null: it has not, as far as its events say. */
  readonly #ends = new Map<string, string | null>();
  /** Names of the rows that there must be. */
  readonly #rows = new Set<string>();
  /** Certificates that the configuration has, as far as events say. */
  readonly #configured = new Set<string>();
  /** Rows that were added although they were there already: in between they were gone, or called removed. */
  readonly #addedTwice = new Set<string>();

  /** An event whose seal was checked. */
  add({ type, renewalId, certificate, detail }: Schema["events"]): void {
    if (type === "renewal.planned" && renewalId !== null) this.#ends.set(renewalId, null);
    if (renewalId !== null && Object.hasOwn(ENDS, type) && this.#ends.has(renewalId))
      this.#ends.set(renewalId, ENDS[type as keyof typeof ENDS]);
    const said = claimJson.safeParse(JSON.parse(detail)).data ?? {};
    const { generation, replacement: id, issuer, before, directory } = said;
    if (BRINGS_VERSION.includes(type) && generation !== undefined)
      this.#rows.add(nameOf("versions", { certificate, generation }));
    if (type === "certificate.replacing" && id !== undefined) {
      this.#rows.add(nameOf("replacements", { id }));
      this.#rows.add(nameOf("replacementMembers", { replacement: id, certificate }));
    }
    if (type === "certificate.configured") this.#addCertificate(String(certificate), said.change === "added");
    if (type === "certificate.removed") this.#configured.delete(String(certificate));
    if (type === "account.removed") this.#rows.delete(nameOf("accounts", { issuer, directory }));
    if (type === "account.renamed") this.#rows.delete(nameOf("accounts", { issuer: before, directory }));
    if (type === "account.created" || type === "account.renamed")
      this.#rows.add(nameOf("accounts", { issuer, directory }));
  }

  #addCertificate(name: string, isNew: boolean): void {
    const row = nameOf("certificates", { name });
    if (isNew && this.#configured.has(name)) this.#addedTwice.add(row);
    this.#configured.add(name);
    // A certificate that leaves the configuration keeps its row.
    this.#rows.add(row);
  }

  /** Call for every row. Returns whether it contradicts the history. */
  contradicts(table: SealedTable, row: SealedRow): boolean {
    const name = nameOf(table, row);
    this.#rows.delete(name);
    if (this.#addedTwice.has(name)) return true;
    if (table !== "renewals") return false;
    const id = String(row.id);
    const end = this.#ends.get(id) ?? null;
    this.#ends.delete(id);
    return end !== null && row.state !== end;
  }

  /** After every row: what the history has and the tables have not. */
  missing(): string[] {
    return [...[...this.#ends.keys()].map((id) => nameOf("renewals", { id })), ...this.#rows];
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
