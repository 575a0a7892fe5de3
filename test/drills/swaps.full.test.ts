import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, expect, it, onTestFinished, vi } from "vitest";
import { runPrivately } from "./privateNetwork.ts";

const SEED = process.env.RENEWD_DRILL_SEED ?? "1";
const MAIN = `${import.meta.dirname}/main.ts`;
const TIMEOUT_MS = 150_000;

/**
 * In a process of its own, which moves into a network namespace, and in a group of its own, so that all of it can be
 * ended.
 */
async function drill(args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(process.execPath, [MAIN, ...args], { stdio: ["ignore", "pipe", "pipe"], detached: true });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (output += chunk.toString()));
  const stop = setTimeout(() => process.kill(-(child.pid ?? Number.NaN), "SIGTERM"), TIMEOUT_MS);
  const [code] = await once(child, "close");
  clearTimeout(stop);
  return { code: typeof code === "number" ? code : null, output };
}

it("swaps certificates in HAProxy, nginx and Caddy with no handshake failed and no old pair seen after verified", {
  timeout: TIMEOUT_MS + 20_000,
}, async () => {
  const { code, output } = await drill(["--only", "swaps", "--quick", "--seed", SEED]);
  expect(code, output).toBe(0);
  for (const server of ["haproxy", "nginx", "caddy"]) {
    expect(output).toMatch(
      new RegExp(`^ *${server}: 5 swaps, [1-9]\\d+ handshakes, 0 failed, 0 stale after verified`, "m"),
    );
  }
});

afterEach(() => {
  vi.unstubAllEnvs();
});

it("says what is missing where a network of its own cannot be had", async () => {
  vi.stubEnv("PATH", "/nowhere");
  await expect(runPrivately(["true"])).rejects.toThrow("unshare is not installed: apt-get install util-linux");
  const bin = await mkdtemp(join(tmpdir(), "renewd-bin-"));
  onTestFinished(() => rm(bin, { recursive: true }));
  await Promise.all(["unshare", "sh"].map((program) => symlink(`/usr/bin/${program}`, join(bin, program))));
  vi.stubEnv("PATH", bin);
  await expect(runPrivately(["true"])).rejects.toThrow("ip is not installed: run scripts/bootstrap.sh test");
});
