// A column that instructs a worker, or that people are shown as fact, carries a seal. Every other one says here why
// not.
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect, onTestFinished, test } from "vitest";
import { openStore, openVault } from "../../src/store/index.ts";
import { SEALED } from "../../src/store/rowSeal.ts";

/** By reason; each entry is a table and its columns. */
const UNSEALED: Readonly<Record<string, readonly string[]>> = {
  "carries its own seal, of historySeal.ts": [
    "events seq at type certificate renewal_id target worker detail seal",
    "history_head id first_sealed last seal pruned_to pruned_at pruned_digest",
  ],
  "is encrypted and bound to its row, so a replaced value does not open and the audit names it": [
    "versions sealed_key",
    "renewals sealed_key order_url csr",
    "accounts sealed_key sealed_pending_key",
  ],
  "an instant that boundInstants corrects every hour, or a lease that leaseUntilMax bounds": [
    "certificates next_check_at next_attempt_at next_observation_at next_rehearsal_at expiry_warning_at",
    "renewals lease_until retry_at next_action_at",
    "deployments lease_until next_attempt_at next_inspection_at",
    "renewal_infos next_poll_at",
    "channel_cursors lease_until next_attempt_at",
    "crls next_fetch_at",
    "dns_records published_at expires_at next_attempt_at",
    "dns_locks until",
    "dns_rates next_at silent_until",
    "ledger full_at",
    "watched_endpoints next_look_at",
    "vantage_looks vantage certificate next_look_at",
  ],
  "is known by its own digest, which is compared where it is read": [
    "served_certificates fingerprint der key_digest",
    "served_chains digest position fingerprint",
  ],
  "has a digest in its sealed row, which is compared where it is read": ["steady_parts members"],
  "which verifiers look at it; what they are to dial is sealed": ["watched_endpoints vantage"],
  "how a place is found by name; what it served carries the place's key": ["served_places key host address port sni"],
  "until when a place was seen to serve what the sealed row says": ["served_changes last_seen_at"],
  "a counter: one that was raised costs an attempt or a pause that is notified, and ends with the next outcome": [
    "certificates failures plan_failures",
    "renewals fence open_claims attempts",
    "deployments fence open_claims attempts exhausted",
    "renewal_infos failures",
    "channel_cursors failures",
    "dns_records attempts",
  ],
  "the words of the last failure, which the next outcome replaces; what ended is sealed in the history": [
    "certificates last_error_code last_error_message plan_error_code plan_error_message rehearsal_problem",
    "deployments error_code error_message inspection_problem",
    "renewal_infos error_code error_message",
    "channel_cursors last_error_message",
    "dns_records error_code error_message",
  ],
  "is compared with the sealed history every hour (trustedRecord, isRemoved)": ["certificates digest removed_at"],
  "only asks for a look at the endpoints before anything is issued": ["certificates restored_at"],
  "is ignored beyond what renewd itself raises it by (nextGeneration)": ["certificates generation_floor"],
  "one that differs has the renewal planned again at once": ["renewals issue_digest"],
  "one that differs has the contact sent to the CA again": ["accounts contact_digest"],
  "only says which renewal's end removes the record; the record itself is sealed": [
    "dns_records certificate renewal_id state",
  ],
  "the key of a row whose only other content is bounded": ["crls url", "dns_locks key holder", "dns_rates key"],
  "what was used of a CA's limits: the CA itself refuses more, and less is asked for than is allowed": [
    "ledger scope kind key",
    "reservations renewal_id scope kind key token_ms",
  ],
  "lets two renewals of the same names take turns; ignored once the other is not at work": [
    "order_scopes scope renewal_id",
  ],
  "only has processes read the definitions again": ["certificate_definitions revision"],
  "what a repeated request is answered; it asks for nothing": ["web_answers key request status body at"],
  "which messages reached whom, for the pages; the messages themselves are events": [
    "alert_receipts channel seq alert at outcome error",
  ],
  "counts for graphs, from which nothing is decided": [
    "event_totals type count",
    "stage_totals stage bound_ms count sum_ms",
    "totals_counted id seq",
    "name_server_totals transport answer count last_at",
  ],
  "of the master key's check and of a database that was moved: a change stops renewd and says so": ["meta name value"],
  "of the migrations and of SQLite itself: a change stops renewd and says so": [
    "kysely_migration name timestamp",
    "kysely_migration_lock id is_locked",
    "sqlite_sequence name seq",
  ],
};

test("every column of every table carries a seal, or says why it needs none", async () => {
  const directory = await mkdtemp(join(tmpdir(), "renewd-columns-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  const file = join(directory, "renewd.db");
  const store = await openStore({ kind: "sqlite", file }, await openVault({ file: join(directory, "key") }), "test/1");
  await store.close();
  using database = new DatabaseSync(file);
  const tables = database.prepare("select name from sqlite_schema where type = 'table'").all();
  const stored = tables.flatMap(({ name }) =>
    database
      .prepare("select name from pragma_table_info(?)")
      .all(String(name))
      .map((column) => `${name} ${column.name}`),
  );
  const sealed = Object.entries(SEALED).flatMap(([table, { key, columns }]) =>
    [...key, ...columns, "seal"].map((column) => `${snake(table)} ${snake(column)}`),
  );
  const unsealed = Object.values(UNSEALED).flatMap((entries) =>
    entries.flatMap((entry) => {
      const [table, ...columns] = entry.split(" ");
      return columns.map((column) => `${table} ${column}`);
    }),
  );
  expect([...sealed, ...unsealed].sort()).toEqual(stored.sort());
});

function snake(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
