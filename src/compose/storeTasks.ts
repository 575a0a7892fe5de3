import type { Config } from "../config/config.ts";
import { RenewalError } from "../domain/errors.ts";
import { workerName } from "../domain/workerName.ts";
import { markRestored } from "../renewal/plan/restoreCheck.ts";
import {
  type AuditOptions,
  acceptStore,
  auditStore,
  type BackupReport,
  backupStore,
  copyStore,
  type HistoryAudit,
  isMissing,
  migrateStore,
  openVault,
  parseMark,
  type RestoreOptions,
  type RowsByTable,
  readMark,
  reopenStore,
  restoreStore,
  schemaVersion,
  type Vault,
} from "../store/index.ts";
import { systemClock } from "./clock.ts";
import { checkDataDirectory } from "./dataDirectory.ts";
import { loadConfigOrExplain } from "./reader.ts";
import { trustSystemAuthorities } from "./systemTrust.ts";

export interface Migrated {
  readonly store: string;
  readonly before: number;
  readonly after: number;
}

/** Brings the configured database to this release's schema, making it when there is none. */
export async function migrateConfigured(configFile: string): Promise<Migrated> {
  const config = await configOfStore(configFile);
  const { where, before } = await migrateStore(config.store, await openVault(config.masterKey));
  return { store: where, before, after: schemaVersion };
}

export interface Copied {
  readonly from: string;
  readonly to: string;
  readonly rows: RowsByTable;
}

export interface CopyRequest {
  readonly fromConfigFile: string;
  readonly toConfigFile: string;
  /** Also while workers have the source open. */
  readonly evenIfUsed: boolean;
}

/** Copies one configuration's store into another's empty one. */
export async function copyConfigured(
  { fromConfigFile, toConfigFile, evenIfUsed }: CopyRequest,
  signal: AbortSignal,
): Promise<Copied> {
  const [from, to] = [await configOfStore(fromConfigFile), await configOfStore(toConfigFile)];
  if (placeOf(from) === placeOf(to))
    throw new RenewalError("request.invalid", `--to-config: ${to.file} configures the same database as ${from.file}`);
  const vault = await existing(from);
  const { keyId } = await vaultOf(
    to,
    "copy the master key of the source there, or let `masterKey` point to it: sealed keys are copied as they are",
  );
  if (keyId !== vault.keyId) {
    const ids = `its master key has id ${keyId}, that of ${from.file} has id ${vault.keyId}`;
    throw new RenewalError(
      "store.sealed",
      `${to.file}: ${ids}; sealed keys are copied as they are, so both must have the same`,
    );
  }
  const rows = await copyStore(
    from.store,
    to.store,
    vault,
    evenIfUsed ? {} : { unused: { now: systemClock.now() }, movedAt: systemClock.now() },
    signal,
  );
  return { from: placeOf(from), to: placeOf(to), rows };
}

/** Takes the configured database back into use after it was copied elsewhere. False: it was in use. */
export async function reopenConfigured(
  configFile: string,
): Promise<{ readonly store: string; readonly reopened: boolean }> {
  const config = await configOfStore(configFile);
  return { store: placeOf(config), reopened: await reopenStore(config.store, await existing(config)) };
}

/** Of a command that opens the database itself. */
async function configOfStore(configFile: string): Promise<Config> {
  const config = await loadConfigOrExplain(configFile, { stored: "unread" });
  if (config.store.kind === "postgresql") trustSystemAuthorities();
  return config;
}

export interface BackedUp extends BackupReport {
  readonly store: string;
  /** Of the master key the file can be opened with. */
  readonly keyId: string;
}

/** `file`: the backup. */
interface BackupPlace {
  readonly configFile: string;
  readonly file: string;
}

/** `replace`: also if the file exists. */
export async function backupConfigured(
  { configFile, file }: BackupPlace,
  replace: boolean,
  signal: AbortSignal,
): Promise<BackedUp> {
  const config = await configOfStore(configFile);
  const vault = await existing(config);
  const report = await backupStore(config.store, file, vault, { replace, now: systemClock.now() }, signal);
  return { ...report, store: placeOf(config), keyId: vault.keyId };
}

export interface Audited extends HistoryAudit {
  readonly store: string;
}

/** `head`: an event that a person noted, such as `42:…`. */
export async function auditConfigured(
  configFile: string,
  head: string | undefined,
  signal: AbortSignal,
): Promise<Audited> {
  const config = await configOfStore(configFile);
  const vault = await existing(config);
  const audit = await auditOptions(config, head);
  return { store: placeOf(config), ...(await auditStore(config.store, vault, audit, signal)) };
}

export interface AcceptRequest {
  readonly head: string | undefined;
  readonly by: string | null;
  readonly reason: string;
}

/** As `auditConfigured`, and records that a person accepts what it found. */
export async function acceptConfigured(
  configFile: string,
  { head, by, reason }: AcceptRequest,
  signal: AbortSignal,
): Promise<Audited> {
  const config = await configOfStore(configFile);
  const vault = await existing(config);
  const audit = await auditOptions(config, head);
  const acceptance = { by, reason, worker: workerName(), clock: systemClock };
  return { store: placeOf(config), ...(await acceptStore(config.store, vault, { audit, acceptance }, signal)) };
}

async function auditOptions({ dataDir }: Config, head: string | undefined): Promise<AuditOptions> {
  const noted = [await readMark(dataDir), head === undefined ? null : markOf(head)];
  return { noted: noted.filter((mark) => mark !== null), now: systemClock.now() };
}

function markOf(head: string): NonNullable<ReturnType<typeof parseMark>> {
  const mark = parseMark(head);
  if (mark === null)
    throw new RenewalError("request.invalid", "--head: must be number:seal, as `renewd audit verify` prints it");
  return mark;
}

export interface Restored {
  readonly store: string;
  /** When the backup was made, ms since epoch. */
  readonly backupMadeAt: number;
  readonly cancelledRenewals: number;
  readonly rows: RowsByTable;
}

/** Fills the configured, empty database from a backup. */
export async function restoreConfigured({ configFile, file }: BackupPlace, signal: AbortSignal): Promise<Restored> {
  const config = await configOfStore(configFile);
  const vault = await vaultOf(
    config,
    "put back the master key of the installation that made the backup: nothing else opens it",
  );
  let cancelledRenewals = 0;
  const options: RestoreOptions = {
    workDirectory: config.dataDir,
    worker: workerName(),
    mark: async (tx, { createdAt }) => {
      cancelledRenewals = await markRestored(tx, createdAt, systemClock.now());
    },
  };
  const { createdAt, rows } = await restoreStore(file, config.store, vault, options, signal);
  return { store: placeOf(config), backupMadeAt: createdAt, cancelledRenewals, rows };
}

/** A mistyped path must not end in a new, empty installation that is then copied with success. */
async function existing(config: Config): Promise<Vault> {
  const vault = await vaultOf(config, "is this the right configuration?");
  if (config.store.kind === "sqlite" && isMissing(config.store.file)) {
    throw new RenewalError(
      "store.unavailable",
      `${config.file}: there is no database ${config.store.file}; is this the right configuration?`,
    );
  }
  return vault;
}

/** Opens the vault without making a new master key. */
async function vaultOf({ file, masterKey, dataDir }: Config, advice: string): Promise<Vault> {
  await checkDataDirectory(dataDir);
  if ("file" in masterKey && isMissing(masterKey.file)) {
    throw new RenewalError("store.sealed", `${file}: the master key ${masterKey.file} does not exist; ${advice}`);
  }
  return openVault(masterKey);
}

/** The file, or the URL without password and parameters. */
function placeOf({ store }: Config): string {
  if (store.kind === "sqlite") return store.file;
  const url = URL.parse(store.url.reveal());
  return url === null ? "postgresql" : `postgresql://${url.host}${url.pathname}`;
}
