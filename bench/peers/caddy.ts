// Caddy orders certificates from a directory and does nothing else. Ten accounts, as it orders ten in 10 s for each.
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "../../test/support/until.ts";
import type { Front } from "../front.ts";
import { type Measured, measured, usageOf } from "../measure.ts";

const ACCOUNTS = 10;

export async function caddy(front: Front, names: readonly string[], timeoutMs: number): Promise<Measured> {
  const home = await mkdtemp(join(tmpdir(), "renewd-bench-caddy-"));
  const trust = join(home, "ca.pem");
  await writeFile(trust, front.trustPem);
  const issuer = (account: number) => ({
    ...{ module: "acme", ca: front.directory, email: `ops${account}@example.org` },
    trusted_roots_pem_files: [trust],
    challenges: { http: { alternate_port: front.httpPort }, "tls-alpn": { disabled: true } },
  });
  const policies = Array.from({ length: ACCOUNTS }, (_, account) => ({
    subjects: names.filter((_name, index) => index % ACCOUNTS === account),
    issuers: [issuer(account)],
  }));
  const config = {
    admin: { disabled: true },
    storage: { module: "file_system", root: home },
    logging: { logs: { default: { level: "ERROR" } } },
    apps: { tls: { certificates: { automate: names }, automation: { policies } } },
  };
  const file = join(home, "caddy.json");
  await writeFile(file, JSON.stringify(config));
  let child: ChildProcess | null = null;
  try {
    return await measured(
      names.length,
      { usage: () => usageOf(child?.pid ?? 0), requests: () => front.requests() },
      async () => {
        child = spawn("caddy", ["run", "--config", file], { stdio: "ignore", env: { ...process.env, HOME: home } });
        const look = async () => {
          const files = await readdir(join(home, "certificates"), { recursive: true }).catch(() => []);
          return files.filter((name) => name.endsWith(".crt")).length >= names.length ? true : null;
        };
        await Promise.race([until("Caddy's certificates", look, timeoutMs), front.hung]);
      },
    );
  } finally {
    if (child !== null) await stop(child);
    await rm(home, { recursive: true, force: true });
  }
}

async function stop(child: ChildProcess): Promise<void> {
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  await exited;
}
