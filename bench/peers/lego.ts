// lego orders one certificate per process, as scripts of its users do: 32 of them at a time, one account.
import { execFile } from "node:child_process";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { promisify } from "node:util";
import type { Pebble } from "../../test/support/ca/pebble.ts";
import { type Measured, measured, usageOf } from "../measure.ts";

const AT_ONCE = 32;

export async function lego(pebble: Pebble, names: readonly string[]): Promise<Measured> {
  const home = await mkdtemp(join(tmpdir(), "renewd-bench-lego-"));
  const webroot = join(home, "web");
  await mkdir(webroot);
  await writeFile(join(home, "ca.pem"), pebble.trustPem);
  const responder = createServer((request, response) => {
    const file = join(webroot, ".well-known/acme-challenge", basename(request.url ?? ""));
    readFile(file).then(
      (found) => response.end(found),
      () => response.writeHead(404).end(),
    );
  }).listen(pebble.httpPort);
  const env = { ...process.env, LEGO_CA_CERTIFICATES: join(home, "ca.pem") };
  const order = (name: string) =>
    promisify(execFile)(
      "lego",
      [
        ...["--server", pebble.directory, "--path", home, "--email", "ops@example.org", "--accept-tos"],
        ...["--domains", name, "--http", "--http.webroot", webroot, "run"],
      ],
      { env },
    );
  try {
    // It registers the account.
    await order(`first.${names[0] ?? ""}`);
    const queue = [...names];
    const worker = async (): Promise<void> => {
      for (let name = queue.shift(); name !== undefined; name = queue.shift()) await order(name);
    };
    const own = process.cpuUsage();
    return await measured(
      names.length,
      () => {
        const { cpuMs, rssKb } = usageOf(process.pid);
        const { user, system } = process.cpuUsage(own);
        return { cpuMs: cpuMs - (user + system) / 1000, rssKb: rssKb - process.memoryUsage.rss() / 1024 };
      },
      () => Promise.all(Array.from({ length: AT_ONCE }, worker)),
    );
  } finally {
    responder.close();
    responder.closeAllConnections();
    await rm(home, { recursive: true, force: true });
  }
}
