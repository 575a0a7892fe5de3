// A loopback network of our own, where a listening socket that closes hands its queued connections to the next one.
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { promisify } from "node:util";

const execute = promisify(execFile);

/**
 * A reload of Caddy opens a second listening socket beside the first (SO_REUSEPORT) and closes the first. Linux resets
 * the connections that wait in the closed one's queue, unless this says that they move (ip-sysctl.rst, Linux 5.14). It
 * belongs to a network namespace, so that nothing on the machine is changed.
 */
const MIGRATE = "/proc/sys/net/ipv4/tcp_migrate_req";
const SET_UP = `ip link set lo up && echo 1 >${MIGRATE} && exec "$@"`;

/** True in the namespace, and on a machine that is set up like this anyway. */
export async function migratesConnections(): Promise<boolean> {
  return (await readFile(MIGRATE, "utf8").catch(() => "")).trim() === "1";
}

/**
 * Runs a command in a network namespace with nothing but loopback. Returns its exit code; throws, saying what is
 * missing, where that cannot be had.
 */
export async function runPrivately(command: readonly string[]): Promise<number> {
  const [program, ...args] = ["unshare", ...flags(), "sh", "-c", SET_UP, "sh"];
  await execute(program, [...args, "true"]).catch((cause: unknown) => {
    throw new Error(explain(cause), { cause });
  });
  const child = spawn(program, [...args, ...command], { stdio: "inherit" });
  const [code] = await once(child, "exit");
  return typeof code === "number" ? code : 1;
}

/** Only root may make a network namespace, and everybody in a user namespace where they are root. */
function flags(): string[] {
  return process.getuid?.() === 0 ? ["--net"] : ["--net", "--map-root-user"];
}

function explain(cause: unknown): string {
  const said = cause instanceof Error && "stderr" in cause ? String(cause.stderr).trim() : "";
  if (cause instanceof Error && "code" in cause && cause.code === "ENOENT")
    return "unshare is not installed: apt-get install util-linux";
  if (/\bip: not found/.test(said))
    return "ip is not installed: run scripts/bootstrap.sh test (apt-get install iproute2)";
  return `this drill needs a network namespace of its own with net.ipv4.tcp_migrate_req=1 (Linux 5.14; in a container --cap-add SYS_ADMIN, or --sysctl net.ipv4.tcp_migrate_req=1): ${said}`;
}
