// acme-client in a process of its own, with tuned polling; it orders and does nothing else.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Front } from "../front.ts";
import { type Measured, measured, usageOf } from "../measure.ts";

const CHILD = join(import.meta.dirname, "acmeClient.child.ts");

export async function acmeClient(front: Front, names: readonly string[], timeoutMs: number): Promise<Measured> {
  const home = await mkdtemp(join(tmpdir(), "renewd-bench-acme-client-"));
  const trust = join(home, "ca.pem");
  await writeFile(trust, front.trustPem);
  const child = spawn(process.execPath, [CHILD, front.directory, String(front.httpPort), ...names], {
    env: { ...process.env, NODE_EXTRA_CA_CERTS: trust },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout });
  const said = () => {
    const line = once(lines, "line", { signal: AbortSignal.timeout(timeoutMs) });
    // After a hung CA nobody waits for it any more.
    line.catch(() => {});
    return Promise.race([line, front.hung]);
  };
  try {
    await said();
    return await measured(
      names.length,
      { usage: () => usageOf(child.pid ?? 0), requests: () => front.requests() },
      async () => {
        child.stdin.write("go\n");
        await said();
      },
    );
  } finally {
    const exited = once(child, "exit");
    if (child.exitCode === null && child.kill("SIGKILL")) await exited;
    await rm(home, { recursive: true, force: true });
  }
}
