// Where figures come from: the machine, and the versions of all that takes part.
import { spawnSync } from "node:child_process";
import { availableParallelism, cpus, loadavg, totalmem } from "node:os";

/** One line. Throws when one of these programs (Debian's package of the same name) is missing. */
export function machine(programs: readonly string[]): string {
  const hardware = `${availableParallelism()} processors (${cpus()[0]?.model ?? "unknown"})`;
  const memory = `${(totalmem() / 1024 ** 3).toFixed(0)} GiB`;
  return [hardware, memory, `Node ${process.versions.node}`, ...programs.map(versionOf), load()].join("; ");
}

/** What else the machine does makes everything slower, not always alike. */
export function load(): string {
  return `load average ${(loadavg()[0] ?? 0).toFixed(1)}`;
}

function versionOf(program: string): string {
  const { error } = spawnSync(program, ["--help"], { stdio: "ignore" });
  if (error) throw new Error(`${program} is not installed: run scripts/bootstrap.sh bench`, { cause: error });
  const { stdout } = spawnSync("dpkg-query", ["-W", "-f", `\${Version}`, program], { encoding: "utf8" });
  return `${program} ${stdout || "of unknown version"}`;
}
