import { DatabaseSync } from "node:sqlite";
import type { NewEvent } from "../../src/domain/event.ts";
import { Secret } from "../../src/domain/secret.ts";
import { DAY_MS } from "../../src/domain/time.ts";
import { headSealOf, sealOf } from "../../src/store/historySeal.ts";
import { openStore, type StoreOptions, type Vault } from "../../src/store/index.ts";
import { ERASED } from "../../src/store/queries/retention.ts";
import { versionKeyIdentity } from "../../src/store/queries/versions.ts";
import { withSeal } from "../../src/store/rowSeal.ts";
import { certificate, renewal, version } from "../support/model/facts.ts";

/** What one renewal leaves in the history. */
const TYPES = [
  ...(["renewal.planned", "issue.started", "order.created", "challenge.presented", "version.issued"] as const),
  ...(["deploy.started", "deploy.succeeded", "verify.started", "verify.converged", "renewal.succeeded"] as const),
];
const CERTIFICATES = 1_000;
/** As retention keeps them: a week after the pair has expired. */
const KEYS_KEPT_MS = 97 * DAY_MS;
/** Every tenth renewal is of one certificate. */
const BUSY_EVERY = 10;

export const BUSIEST = "site-0";

export interface History {
  readonly events: number;
  /** ms since epoch. */
  readonly from: number;
  readonly to: number;
}

/**
 * Writes a history as renewd would have written it, with its renewals and versions: seals and all, but in one statement
 * after another instead of one transaction after another.
 */
export async function fillHistory(
  options: Extract<StoreOptions, { kind: "sqlite" }>,
  vault: Vault,
  { events, from, to }: History,
): Promise<void> {
  const store = await openStore(options, vault, "fill/1");
  const names = Array.from({ length: CERTIFICATES }, (_, index) => `site-${index}`);
  await store.certificates.sync(
    names.map((name) => certificate({ name })),
    from,
  );
  await store.close();
  using database = new DatabaseSync(options.file);
  database.exec("pragma synchronous = off; begin");
  const insert = inserter(database);
  for (let index = 0; index * TYPES.length < events; index += 1) {
    const at = Math.floor(from + ((to - from) * index * TYPES.length) / events);
    const name = index % BUSY_EVERY === 0 ? BUSIEST : `site-${index % CERTIFICATES}`;
    const generation = index + 1;
    const row = renewal({ id: `r-${index}`, certificate: name, generation, state: "succeeded", createdAt: at });
    const ended = { ...row, finishedAt: at + 60_000, nextActionAt: null };
    insert("renewals", { ...withSeal(vault, "renewals", ended), sealed_key: null, order_url: null, csr: null });
    insert("versions", versionRow(vault, { name, generation, at, index, isErased: at + KEYS_KEPT_MS < to }));
    for (const [place, type] of TYPES.entries()) {
      const detail = type === "verify.converged" ? { endpoint: "e", generation } : { generation };
      const of = { certificate: name, renewalId: `r-${index}`, target: type.startsWith("deploy") ? "lb" : null };
      insert("events", sealed(vault, index * TYPES.length + place + 1, { at, type, ...of, detail }));
    }
  }
  const count = Math.ceil(events / TYPES.length) * TYPES.length;
  const head = { firstSealed: 1, last: count, prunedTo: 0, prunedAt: null, prunedDigest: null };
  insert("history_head", { id: 1, ...head, seal: headSealOf(vault, head) });
  database.exec("commit");
}

function sealed(vault: Vault, seq: number, { detail, ...event }: NewEvent): Row {
  const row = { seq, ...event, worker: "fill/1", detail: JSON.stringify(detail) };
  return { ...row, seal: sealOf(vault, row) };
}

interface Issued {
  readonly name: string;
  readonly generation: number;
  readonly at: number;
  readonly index: number;
  readonly isErased: boolean;
}

function versionRow(vault: Vault, { name, generation, at, index, isErased }: Issued): Row {
  const facts = version({ certificate: name, generation, createdAt: at, verifiedAt: at });
  const serial = index.toString(16).toUpperCase().padStart(8, "0");
  const leaf = {
    ...facts.leaf,
    serial,
    fingerprint: serial.padStart(64, "0"),
    notBefore: at,
    notAfter: at + 90 * DAY_MS,
  };
  const stored = {
    ...facts,
    ...{ leaf: JSON.stringify(leaf), chainPem: JSON.stringify(facts.chainPem), droppedNames: null },
  };
  const sealedKey = isErased ? ERASED : vault.seal(versionKeyIdentity(name, generation), new Secret("key"));
  return { ...withSeal(vault, "versions", stored), sealedKey };
}

type Row = Readonly<Record<string, string | number | null>>;

/** One prepared statement for each table. */
function inserter(database: DatabaseSync): (table: string, row: Row) => void {
  const statements = new Map<string, ReturnType<DatabaseSync["prepare"]>>();
  return (table, row) => {
    const columns = Object.keys(row);
    const names = columns.map((column) => column.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`));
    const text = `insert into ${table} ("${names.join('", "')}") values (${columns.map(() => "?").join(", ")})`;
    const statement = statements.get(table) ?? database.prepare(text);
    statements.set(table, statement);
    statement.run(...Object.values(row));
  };
}
