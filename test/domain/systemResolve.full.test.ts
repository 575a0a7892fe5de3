import { execFile } from "node:child_process";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";

test("names that no name server answers for keep no other from being looked up, and half an answer is one", async () => {
  const home = await mkdtemp(join(tmpdir(), "renewd-resolve-"));
  try {
    await writeFile(join(home, "resolv.conf"), "nameserver 127.0.0.1\nsearch other.test\nsearch cluster.test\n");
    await writeFile(join(home, "hosts"), "127.0.0.1 localhost\n192.0.2.9 other Known.example.org # and a comment\n");
    const setUp = `ip link set lo up && mount --bind ${home}/resolv.conf /etc/resolv.conf && mount --bind ${home}/hosts /etc/hosts`;
    const child = join(import.meta.dirname, "systemResolve.child.ts");
    const inside = ["--net", "--mount", "sh", "-c", `${setUp} && exec "$@"`, "sh", process.execPath, child];
    const { stdout } = await promisify(execFile)("unshare", inside, { timeout: 100_000 });
    const outcomes: readonly string[] = JSON.parse(stdout);
    expect(outcomes.slice(0, 7).toSorted()).toEqual([
      "half.example.org 192.0.2.1",
      "known.example.org 192.0.2.9",
      ...Array<string>(3).fill("live.example.org 192.0.2.1"),
      "none.example.org ENOTFOUND",
      "service.namespace 192.0.2.1",
    ]);
    expect(outcomes.slice(7)).toEqual(Array(6).fill("dead.example.org EAI_AGAIN"));
  } finally {
    await rm(home, { recursive: true, force: true });
  }
}, 120_000);
