import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import type { Secret } from "../../domain/secret.ts";
import { answerBody } from "../base/jsonAnswer.ts";
import type { F5Names } from "./names.ts";
import type { F5Session } from "./session.ts";

// iControl REST User Guide (clouddocs.f5.com/api/icontrol-rest): file transfer, transactions, sys file ssl-cert and
// ssl-key.

export interface CertKeyEntry {
  readonly name: string;
  readonly cert: string;
  readonly key: string;
  readonly chain: string | null;
}

export interface ProfileState {
  readonly path: string;
  readonly entries: readonly CertKeyEntry[];
  /** Kind of key of each entry's certificate; left out: unknown. */
  readonly kinds: ReadonlyMap<string, "rsa" | "ecdsa">;
  /**
   * SHA-256 of each entry's certificate and of the first one of its chain, lower-case hex; left out: BIG-IP does not
   * show it.
   */
  readonly fingerprints: ReadonlyMap<string, string>;
}

export interface Install {
  readonly path: string;
  readonly names: F5Names;
  /** All the profile is to have. */
  readonly entries: readonly CertKeyEntry[];
  readonly cert: string;
  /** Empty: none. */
  readonly chain: string;
  readonly privateKey: Secret;
}

const entry = z.object({
  name: z.string(),
  cert: z.string().default(""),
  key: z.string().default(""),
  chain: z.string().optional(),
});
const profileBody = z.object({ certKeyChain: z.array(entry).default([]) });
const certBody = z.object({
  keyType: z.string().default(""),
  /** `SHA256/AA:BB:…`; older versions show none, or SHA-1. */
  fingerprint: z.string().default(""),
});
const transactionBody = z.object({ transId: z.number() });
const committedBody = z.object({ state: z.string() });
const listBody = z.object({ items: z.array(z.object({ fullPath: z.string() })).default([]) });

const DOWNLOADS = "/var/config/rest/downloads";

/** Throws `deploy.refused` when there is no such profile. */
export async function readProfile({ api, call }: F5Session, path: string, signal: AbortSignal): Promise<ProfileState> {
  const answer = await call(
    { method: "GET", path: `tm/ltm/profile/client-ssl/${urlName(path)}`, expected: [404] },
    signal,
  );
  if (answer.status === 404)
    throw new RenewalError(
      "deploy.refused",
      `${api.name} has no client SSL profile ${path}; create it, or correct \`profile\``,
    );
  const entries = answerBody(api, answer, profileBody).certKeyChain.map((one) => ({
    ...one,
    chain: one.chain ?? null,
  }));
  const kinds = new Map<string, "rsa" | "ecdsa">();
  const fingerprints = new Map<string, string>();
  for (const cert of entries.flatMap(({ cert, chain }) => [cert, chain ?? ""])) {
    const held =
      cert === "" ? null : await call({ method: "GET", path: objectPath("ssl-cert", cert), expected: [404] }, signal);
    if (held?.status !== 200) continue;
    const { keyType: kind, fingerprint } = answerBody(api, held, certBody);
    const sha256 = /^SHA256\/((?:[0-9A-F]{2}:){31}[0-9A-F]{2})$/i.exec(fingerprint)?.[1];
    if (sha256 !== undefined) fingerprints.set(cert, sha256.replaceAll(":", "").toLowerCase());
    if (kind !== "") kinds.set(cert, kind.startsWith("ec") ? "ecdsa" : "rsa");
  }
  return { path, entries, kinds, fingerprints };
}

/** Uploads what is missing, then creates the objects and switches the profile to them in one transaction. */
export async function install(session: F5Session, request: Install, signal: AbortSignal): Promise<void> {
  const { names, privateKey } = request;
  const objects = [
    { kind: "ssl-key", name: names.key, content: privateKey.reveal() },
    { kind: "ssl-cert", name: names.cert, content: request.cert },
    { kind: "ssl-cert", name: names.chain, content: request.chain },
  ] as const;
  const missing: FileObject[] = [];
  for (const one of objects) {
    if (one.content === "") continue;
    const { status } = await session.call(
      { method: "GET", path: objectPath(one.kind, one.name), expected: [404] },
      signal,
    );
    if (status === 404) missing.push({ ...one, file: one.name.slice(1).replaceAll("/", "_") });
  }
  try {
    for (const { file, content } of missing) {
      await session.call(
        { method: "POST", path: `shared/file-transfer/uploads/${file}`, file: content, secrets: [privateKey] },
        signal,
      );
    }
    await commit(session, request, missing, signal);
  } finally {
    // The key must not stay there longer than necessary.
    for (const { file } of missing) {
      await session.cleanUp({
        method: "POST",
        path: "tm/util/unix-rm",
        json: { command: "run", utilCmdArgs: `${DOWNLOADS}/${file}` },
      });
    }
  }
}

interface FileObject {
  readonly kind: "ssl-cert" | "ssl-key";
  readonly name: string;
  readonly content: string;
  readonly file: string;
}

async function commit(
  { api, call }: F5Session,
  { path, names, entries, privateKey }: Install,
  missing: readonly FileObject[],
  signal: AbortSignal,
): Promise<void> {
  const { transId: transaction } = answerBody(
    api,
    await call({ method: "POST", path: "tm/transaction", json: {} }, signal),
    transactionBody,
  );
  const secrets = [privateKey];
  for (const { kind, name, file } of missing) {
    const json = {
      name: name.slice(name.lastIndexOf("/") + 1),
      partition: names.partition,
      sourcePath: `file:${DOWNLOADS}/${file}`,
    };
    await call({ method: "POST", path: `tm/sys/file/${kind}`, json, transaction, secrets }, signal);
  }
  const certKeyChain = entries.map(({ chain, ...rest }) => ({ ...rest, ...(chain !== null && { chain }) }));
  await call(
    {
      method: "PATCH",
      path: `tm/ltm/profile/client-ssl/${urlName(path)}`,
      json: { certKeyChain },
      transaction,
      secrets,
    },
    signal,
  );
  const answer = await call(
    { method: "PATCH", path: `tm/transaction/${transaction}`, json: { state: "VALIDATING" }, secrets },
    signal,
  );
  const { state } = answerBody(api, answer, committedBody);
  if (state !== "COMPLETED")
    throw new RenewalError(
      "deploy.refused",
      `${api.name}: the transaction for ${path} ended as ${state}; nothing was changed`,
    );
}

/** The running configuration is lost at the next boot unless it is saved. */
export async function save({ call }: F5Session, signal: AbortSignal): Promise<void> {
  await call({ method: "POST", path: "tm/sys/config", json: { command: "save" } }, signal);
}

export async function synchronise({ call }: F5Session, deviceGroup: string, signal: AbortSignal): Promise<void> {
  await call(
    { method: "POST", path: "tm/cm", json: { command: "run", utilCmdArgs: `config-sync to-group ${deviceGroup}` } },
    signal,
  );
}

/** Full names of the partition's certificates and keys. */
export async function listObjects({ api, call }: F5Session, partition: string, signal: AbortSignal): Promise<string[]> {
  const found: string[] = [];
  for (const kind of ["ssl-cert", "ssl-key"]) {
    const path = `tm/sys/file/${kind}?$filter=partition+eq+${encodeURIComponent(partition)}&$select=fullPath`;
    found.push(
      ...answerBody(api, await call({ method: "GET", path }, signal), listBody).items.map(({ fullPath }) => fullPath),
    );
  }
  return found;
}

/** One that is in use stays: BIG-IP refuses (400). */
export async function removeObject({ call }: F5Session, name: string, signal: AbortSignal): Promise<void> {
  await call(
    { method: "DELETE", path: objectPath(name.endsWith(".key") ? "ssl-key" : "ssl-cert", name), expected: [400, 404] },
    signal,
  );
}

function objectPath(kind: "ssl-cert" | "ssl-key", name: string): string {
  return `tm/sys/file/${kind}/${urlName(name)}`;
}

/** `/Common/name` as a URL has it. */
function urlName(path: string): string {
  return encodeURIComponent(path.replaceAll("/", "~"));
}
