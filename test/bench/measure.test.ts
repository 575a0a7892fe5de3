import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { afterEach, expect, it } from "vitest";
import { usageOf } from "../../bench/measure.ts";

const shells: ChildProcess[] = [];
afterEach(async () => {
  for (const child of shells.splice(0)) {
    const exited = once(child, "exit");
    child.stdin?.end();
    await exited;
  }
});

/** A shell that has done what the line says, and stays until its standard input, which is 3 as well, has ended. */
async function shell(line: string): Promise<number> {
  const script = `exec 3<&0\n${line}\necho ready\nread -r end\nwait`;
  const child = spawn("sh", ["-c", script], { stdio: ["pipe", "pipe", "inherit"] });
  shells.push(child);
  await once(child.stdout, "data");
  return child.pid ?? 0;
}

it("counts the processor time of children that have ended, and of theirs", async () => {
  const burn = "i=0; while [ $i -lt 100000 ]; do i=$((i+1)); done";
  const busy = await shell(`sh -c 'true; sh -c "${burn.replaceAll("$", "\\$")}"; true'`);
  expect(usageOf(busy).cpuMs).toBeGreaterThanOrEqual(usageOf(await shell("true")).cpuMs + 20);
});

it("counts the memory of children that run, and nothing of processes beside them", async () => {
  const [alone, withChildren] = [await shell("true"), await shell("cat <&3 & cat <&3 &")];
  expect(usageOf(alone).rssKb).toBeGreaterThan(0);
  expect(usageOf(withChildren).rssKb).toBeGreaterThan(usageOf(alone).rssKb * 1.5);
});
