import { readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readProc } from "../process/procFile.ts";

const FILE = /^web-(\d+)\.url$/;
const ANSWER_TIMEOUT_MS = 2_000;

/** Each process of a data directory has its own: the port may be another than the usual one. */
function addressFile(dataDir: string): string {
  return join(dataDir, `web-${process.pid}.url`);
}

/** Where `renewd open` and `renewd doctor` find it. Files of processes that died are removed. */
export async function writeAddress(dataDir: string, url: string): Promise<void> {
  for (const { file, url: old } of await written(dataDir)) if (!(await answers(old))) await rm(file, { force: true });
  const temporary = `${addressFile(dataDir)}.new`;
  await writeFile(temporary, `${url}\n`, { mode: 0o600 });
  await rename(temporary, addressFile(dataDir));
}

export async function forgetAddress(dataDir: string): Promise<void> {
  await rm(addressFile(dataDir), { force: true });
}

/** Where a web role of this data directory answers now, the newest first; null: none does, or not on this machine. */
export async function answeringAddress(dataDir: string): Promise<string | null> {
  for (const { url } of await written(dataDir)) if (await answers(url)) return url;
  return null;
}

/**
 * The same where a token may be sent. The port of a process that died may be another user's by now; who was given its
 * number is another user as well, or has no such port.
 */
export async function trustedAddress(dataDir: string): Promise<string | null> {
  for (const { pid, uid, url } of await written(dataDir)) if (runsAs(pid, uid) && (await answers(url))) return url;
  return null;
}

function runsAs(pid: string, uid: number | null): boolean {
  return /^Uid:\s+\d+\s+(\d+)/m.exec(readProc(`/proc/${pid}/status`))?.[1] === String(uid);
}

interface Written {
  readonly file: string;
  readonly url: string;
  /** That wrote it. */
  readonly pid: string;
  readonly uid: number | null;
}

async function written(dataDir: string): Promise<readonly Written[]> {
  const names = (await readdir(dataDir).catch(() => [])).filter((name) => FILE.test(name));
  const found = await Promise.all(
    names.map(async (name) => {
      const file = join(dataDir, name);
      const [, pid = ""] = FILE.exec(name) ?? [];
      const url = (await readFile(file, "utf8").catch(() => "")).trim();
      const found = await stat(file).catch(() => null);
      return { file, url, pid, uid: found?.uid ?? null, at: found?.mtimeMs ?? 0 };
    }),
  );
  return found.toSorted((a, b) => b.at - a.at);
}

async function answers(url: string): Promise<boolean> {
  if (!URL.canParse(url)) return false;
  const signal = AbortSignal.timeout(ANSWER_TIMEOUT_MS);
  return fetch(`${url}/healthz`, { signal, redirect: "error" }).then(
    ({ ok }) => ok,
    // Over TLS the certificate is for a name, and this is an address: that something answers must do.
    (thrown: unknown) => url.startsWith("https:") && isCertificateProblem(thrown),
  );
}

function isCertificateProblem(thrown: unknown): boolean {
  const cause = thrown instanceof Error ? thrown.cause : null;
  return cause instanceof Error && "code" in cause && /CERT|ALTNAME|ISSUER/.test(String(cause.code));
}
