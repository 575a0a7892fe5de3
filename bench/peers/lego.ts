// lego orders one certificate per process, as scripts of its users do: 32 of them at a time, one account.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import type { Front } from "../front.ts";
import { type Measured, measured, usageOf } from "../measure.ts";

const AT_ONCE = 32;
/** It registers the account, then orders all; it stays, as what its children used is known while it does. */
const SCRIPT = `
"$@" --domains "first.$FIRST" run >/dev/null 2>&1 || { echo failed; exit 1; }
echo ready
read -r go
xargs -P ${AT_ONCE} -I {} "$@" --domains {} run <"$NAMES" >/dev/null 2>"$LOG" && echo done || echo failed
read -r end
`;

export async function lego(front: Front, names: readonly string[], timeoutMs: number): Promise<Measured> {
  const home = await mkdtemp(join(tmpdir(), "renewd-bench-lego-"));
  const webroot = join(home, "web");
  const files = { trust: join(home, "ca.pem"), names: join(home, "names"), log: join(home, "log") };
  await mkdir(webroot);
  await writeFile(files.trust, front.trustPem);
  await writeFile(files.names, names.map((name) => `${name}\n`).join(""));
  const responder = createServer((request, response) => {
    const file = join(webroot, ".well-known/acme-challenge", basename(request.url ?? ""));
    readFile(file).then(
      (found) => response.end(found),
      () => response.writeHead(404).end(),
    );
  }).listen(front.httpPort);
  const command = [
    ...["lego", "--server", front.directory, "--path", home, "--email", "ops@example.org", "--accept-tos"],
    ...["--http", "--http.webroot", webroot],
  ];
  const child = spawn("sh", ["-c", SCRIPT, "sh", ...command], {
    stdio: ["pipe", "pipe", "inherit"],
    env: {
      ...process.env,
      LEGO_CA_CERTIFICATES: files.trust,
      ...{ FIRST: names[0] ?? "", NAMES: files.names, LOG: files.log },
    },
    // With all that it started.
    detached: true,
  });
  const lines = createInterface({ input: child.stdout });
  const said = async (expected: string): Promise<void> => {
    const next = once(lines, "line", { signal: AbortSignal.timeout(timeoutMs) });
    // After a hung CA nobody waits for it any more.
    next.catch(() => {});
    const [line] = await Promise.race([next, front.hung]);
    if (line !== expected) throw new Error(`lego: ${await readFile(files.log, "utf8").catch(() => "no account")}`);
  };
  try {
    await said("ready");
    return await measured(
      names.length,
      { usage: () => usageOf(child.pid ?? 0), requests: () => front.requests() },
      async () => {
        child.stdin.write("go\n");
        await said("done");
      },
    );
  } finally {
    const exited = once(child, "exit");
    if (child.exitCode === null && child.pid !== undefined) {
      process.kill(-child.pid, "SIGKILL");
      await exited;
    }
    responder.close();
    responder.closeAllConnections();
    await rm(home, { recursive: true, force: true });
  }
}
