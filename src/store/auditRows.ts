import { z } from "zod";
import { ALTERED_DEPLOYMENT } from "../domain/deployment.ts";
import { auditSecrets } from "./auditSecrets.ts";
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
  exercise: z.string().optional().catch(undefined),
  drill: z.string().optional().catch(undefined),
  issuer: z.string().optional().catch(undefined),
  before: z.string().optional().catch(undefined),
  directory: z.string().optional().catch(undefined),
  subject: z.string().optional().catch(undefined),
  targets: z.array(z.string()).optional().catch(undefined),
  problem: z.string().optional().catch(undefined),
  endpoint: z.string().optional().catch(undefined),
});
type Claim = z.infer<typeof claimJson>;
const CLAIMS = /^(?:version|certificate|account|problem|target|drill|exercise)\.|^verify\.(?:converged|stale)$/;

const BRINGS_VERSION: readonly string[] = ["version.issued", "version.imported", "version.renamed"];

/**
 * What the events say must be in other tables: all that decides, and all that people are shown as fact. Not asked for
 * is what is gone by itself at any moment: beats of processes, and answers to challenges, whose loss shows as a failed
 * validation; nor the last handshake with each address, which its endpoint's row sums up.
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
  /**
   * Targets of each certificate, by its newest configuration. Nothing is asked of a certificate without: events of an
   * older release do not say which targets it has left.
   */
  readonly #targets = new Map<string, readonly string[]>();
  /** Deployments that succeeded, by certificate and target: their rows have a receipt. */
  readonly #deployed = new Map<string, Set<string>>();

  /** Certificates whose pause has ended, as far as events say. */
  readonly #resumed = new Set<string>();
  /** Versions that were revoked. */
  readonly #revoked = new Set<string>();
  /** Acknowledgements that were withdrawn: their rows are gone. */
  readonly #withdrawn = new Set<string>();

  /** An event whose seal was checked. */
  add({ type, renewalId, certificate, target, detail }: Schema["events"]): void {
    if (type === "renewal.planned" && renewalId !== null) this.#ends.set(renewalId, null);
    if (renewalId !== null && Object.hasOwn(ENDS, type) && this.#ends.has(renewalId))
      this.#ends.set(renewalId, ENDS[type as keyof typeof ENDS]);
    // Most events claim nothing in their detail, and there are very many.
    const said = (CLAIMS.test(type) && claimJson.safeParse(JSON.parse(detail)).data) || {};
    const { generation, replacement: id, issuer, before, directory, endpoint } = said;
    if (BRINGS_VERSION.includes(type) && generation !== undefined)
      this.#rows.add(nameOf("versions", { certificate, generation }));
    if (type === "version.issued") this.#rows.add(nameOf("renewalInfos", { certificate }));
    if (endpoint !== undefined) this.#rows.add(nameOf("endpointStatuses", { certificate, endpoint }));
    if (type === "certificate.replacing" && id !== undefined) {
      this.#rows.add(nameOf("replacements", { id }));
      this.#rows.add(nameOf("replacementMembers", { replacement: id, certificate }));
    }
    // One that is removed keeps its row.
    if (type === "certificate.defined" && certificate !== null)
      this.#rows.add(nameOf("certificateDefinitions", { name: certificate }));
    if (type === "certificate.configured") this.#addCertificate(String(certificate), said);
    if (type === "certificate.removed") this.#removeCertificate(String(certificate));
    this.#addUndone(type, String(certificate), said);
    if (target !== null) this.#addTarget(type, { certificate: String(certificate), target }, said);
    if (type === "exercise.started") this.#rows.add(nameOf("exercises", { id: said.exercise }));
    if (type === "drill.started") this.#rows.add(nameOf("drills", { id: said.drill }));
    if (type === "problem.acknowledged") this.#rows.add(nameOf("acknowledgements", { subject: said.subject }));
    if (type === "problem.unacknowledged") this.#rows.delete(nameOf("acknowledgements", { subject: said.subject }));
    if (type === "account.removed") this.#rows.delete(nameOf("accounts", { issuer, directory }));
    if (type === "account.renamed") this.#rows.delete(nameOf("accounts", { issuer: before, directory }));
    if (type === "account.created" || type === "account.renamed")
      this.#rows.add(nameOf("accounts", { issuer, directory }));
  }

  #addCertificate(name: string, { change, targets }: Claim): void {
    const row = nameOf("certificates", { name });
    if (change === "added" && this.#configured.has(name)) this.#addedTwice.add(row);
    this.#configured.add(name);
    // A certificate that leaves the configuration keeps its row.
    this.#rows.add(row);
    if (targets === undefined) return;
    this.#targets.set(name, targets);
    // The row of a target that is not configured goes with the next renewal.
    const deployed = this.#deployed.get(name) ?? new Set();
    this.#deployed.set(name, deployed.intersection(new Set(targets)));
  }

  /** A row of before may be put back with the seal that it had then. */
  #addUndone(type: string, certificate: string, { generation, subject }: Claim): void {
    if (type === "certificate.resumed") this.#resumed.add(certificate);
    // A failure may have paused it again.
    if (type === "certificate.paused" || type === "renewal.failed") this.#resumed.delete(certificate);
    if (type === "version.revoked" && generation !== undefined)
      this.#revoked.add(nameOf("versions", { certificate, generation }));
    if (type === "problem.acknowledged") this.#withdrawn.delete(nameOf("acknowledgements", { subject }));
    if (type === "problem.unacknowledged") this.#withdrawn.add(nameOf("acknowledgements", { subject }));
  }

  #isUndone(table: SealedTable, name: string, row: SealedRow): boolean {
    if (table === "certificates") return row.pausedAt !== null && this.#resumed.has(String(row.name));
    if (table === "versions") return row.revokedAt === null && this.#revoked.has(name);
    return table === "acknowledgements" && this.#withdrawn.has(name);
  }

  #removeCertificate(name: string): void {
    this.#configured.delete(name);
    this.#targets.delete(name);
    this.#deployed.delete(name);
  }

  #addTarget(type: string, key: { readonly certificate: string; readonly target: string }, { problem }: Claim): void {
    const { certificate, target } = key;
    const left = nameOf("leftTargets", key);
    if (type === "target.left") this.#rows.add(left);
    if (type === "target.cleaned" || type === "target.returned") this.#rows.delete(left);
    if (type === "target.cleaned" || (type === "target.drifted" && problem === ALTERED_DEPLOYMENT))
      this.#deployed.get(certificate)?.delete(target);
    if (type === "deploy.succeeded" && this.#targets.get(certificate)?.includes(target) === true)
      this.#deployed.get(certificate)?.add(target);
  }

  /** Call for every row. Returns whether it contradicts the history. */
  contradicts(table: SealedTable, row: SealedRow): boolean {
    const name = nameOf(table, row);
    this.#rows.delete(name);
    if (this.#addedTwice.has(name) || this.#isUndone(table, name, row)) return true;
    // A row that was deleted and is wanted again has none.
    if (table === "deployments")
      return this.#deployed.get(String(row.certificate))?.delete(String(row.target)) === true && row.receipt === null;
    if (table !== "renewals") return false;
    const id = String(row.id);
    const end = this.#ends.get(id) ?? null;
    this.#ends.delete(id);
    return end !== null && row.state !== end;
  }

  /** After every row: what the history has and the tables have not. */
  missing(): string[] {
    const deployments = [...this.#deployed].flatMap(([certificate, targets]) =>
      [...targets].map((target) => nameOf("deployments", { certificate, target })),
    );
    return [...[...this.#ends.keys()].map((id) => nameOf("renewals", { id })), ...this.#rows, ...deployments];
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
  const altered = new Set(faults.map(({ row }) => row));
  for await (const row of auditSecrets(db, vault)) if (!altered.has(row)) add(row, "altered");
  for (const row of claims.missing()) add(row, "missing");
  return faults;
}

function nameOf(table: SealedTable, row: Readonly<Record<string, unknown>>): string {
  return [table, ...SEALED[table].key.map((column) => String(row[column]))].join(" ");
}
