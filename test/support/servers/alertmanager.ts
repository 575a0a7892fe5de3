// Starts a real Alertmanager on a loopback port of its own, with a receiver that is told of every change.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { z } from "zod";
import { freePort, onFreePorts } from "../freePort.ts";
import { until, within } from "../until.ts";

const READY_MAX_MS = 20_000;
const STOP_MAX_MS = 10_000;
const PROGRAM = "prometheus-alertmanager";

const alertSchema = z.object({
  labels: z.record(z.string(), z.string()),
  annotations: z.record(z.string(), z.string()),
  startsAt: z.string(),
  endsAt: z.string(),
});
export type KnownAlert = z.infer<typeof alertSchema>;

export interface Alertmanager extends AsyncDisposable {
  readonly url: string;
  /** Open now. */
  alerts(): Promise<readonly KnownAlert[]>;
  /** kill -9, and another process on the same port, with the same files. */
  restart(): Promise<void>;
}

/** `receiver`: the URL that it posts each alert to by itself, at once, when it opens and when it is over. */
export function startAlertmanager(receiver: string): Promise<Alertmanager> {
  return onFreePorts(async () => {
    await using stack = new AsyncDisposableStack();
    const home = await mkdtemp(join(tmpdir(), "renewd-alertmanager-"));
    stack.defer(() => rm(home, { recursive: true, force: true }));
    const route = { receiver: "ops", group_by: ["..."], group_wait: "1ms", group_interval: "1s" };
    const receivers = [{ name: "ops", webhook_configs: [{ url: receiver, send_resolved: true }] }];
    // JSON is YAML.
    await writeFile(join(home, "alertmanager.yml"), JSON.stringify({ route, receivers }));
    const port = await freePort();
    const url = `http://127.0.0.1:${port}`;
    let running = await run(home, port);
    stack.defer(() => running.kill());
    const kept = stack.move();
    return {
      url,
      async alerts() {
        const answer = await fetch(`${url}/api/v2/alerts?active=true`);
        return z.array(alertSchema).parse(await answer.json());
      },
      async restart() {
        await running.kill();
        running = await run(home, port);
      },
      [Symbol.asyncDispose]: () => kept.disposeAsync(),
    };
  });
}

async function run(home: string, port: number): Promise<{ kill(): Promise<void> }> {
  const files = [`--config.file=${join(home, "alertmanager.yml")}`, `--storage.path=${join(home, "data")}`];
  // A cluster would listen on all addresses.
  const network = [`--web.listen-address=127.0.0.1:${port}`, "--cluster.listen-address="];
  const child = spawn(PROGRAM, [...files, ...network, "--log.level=error"], { stdio: ["ignore", "ignore", "pipe"] });
  // Also when who started it crashes.
  const killed = (): void => void child.kill("SIGKILL");
  process.once("exit", killed);
  child.once("exit", () => process.off("exit", killed));
  let said = "";
  child.stderr.on("data", (chunk: Buffer) => {
    said = (said + chunk.toString()).slice(-4_096);
  });
  let missing: unknown = null;
  child.once("error", (error) => {
    missing = error;
  });
  const kill = async (): Promise<void> => {
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const exited = once(child, "exit");
    child.kill("SIGKILL");
    await within("Alertmanager to end", exited, STOP_MAX_MS);
  };
  const isReady = async (): Promise<true | null> => {
    if (missing !== null)
      throw new Error(`${PROGRAM} is not installed: run scripts/bootstrap.sh test`, { cause: missing });
    if (child.exitCode !== null) throw new Error(`${PROGRAM} did not start: ${said}`);
    const answer = await fetch(`http://127.0.0.1:${port}/-/ready`).catch(() => null);
    return answer?.ok === true ? true : null;
  };
  await until("Alertmanager to be ready", isReady, READY_MAX_MS).catch(async (error: unknown) => {
    await kill();
    throw error;
  });
  return { kill };
}
