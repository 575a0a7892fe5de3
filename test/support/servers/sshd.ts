// Starts a real OpenSSH server on a loopback port of its own, for the user the tests run as. No test framework in here.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { freePort, onFreePorts } from "../freePort.ts";
import { until } from "../until.ts";

export interface Sshd extends AsyncDisposable {
  readonly port: number;
  readonly user: string;
  /** The server's public key line, and its SHA256:… fingerprint. */
  readonly hostKey: string;
  readonly fingerprint: string;
  /** Private keys: the first may log in, the second only with SFTP, the third is unknown to the server. */
  readonly keys: { readonly login: string; readonly sftpOnly: string; readonly stranger: string };
  /** What `ssh-add` wants for the first key. */
  readonly loginKeyFile: string;
}

const READY_TIMEOUT_MS = 15_000;
/** Where a root sshd separates privileges; the system's own start script makes it, and nobody starts that here. */
const SEPARATION_DIRECTORY = "/run/sshd";
const run = promisify(execFile);

export async function startSshd(): Promise<Sshd> {
  const program = ["/usr/sbin/sshd", "/usr/local/sbin/sshd"].find((path) => existsSync(path));
  if (program === undefined) throw new Error("OpenSSH's server is not installed: run scripts/bootstrap.sh test");
  if (process.getuid?.() === 0) await mkdir(SEPARATION_DIRECTORY, { recursive: true, mode: 0o755 });
  return onFreePorts(() => start(program));
}

async function start(program: string): Promise<Sshd> {
  await using starting = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), "renewd-sshd-"));
  starting.defer(() => rm(home, { recursive: true, force: true }));
  for (const name of ["host", "login", "sftpOnly", "stranger"])
    await run("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", join(home, name)]);
  const read = (name: string): Promise<string> => readFile(join(home, name), "utf8");
  await writeFile(
    join(home, "authorized_keys"),
    `${await read("login.pub")}restrict,command="internal-sftp" ${await read("sftpOnly.pub")}`,
    { mode: 0o600 },
  );
  const port = await freePort();
  const config = join(home, "sshd_config");
  await writeFile(config, configuration(home, port));
  // By its absolute path, or it refuses to re-execute itself; -e: log to stderr.
  const child = spawn(program, ["-D", "-e", "-f", config], { stdio: ["ignore", "ignore", "pipe"] });
  starting.defer(() => end(child));
  let log = "";
  child.stderr.on("data", (chunk: Buffer) => {
    log = (log + chunk.toString()).slice(-4096);
  });
  await until(
    "sshd to listen",
    async () => {
      if (child.exitCode !== null) throw new Error(`sshd did not start: ${log}`);
      return (await accepts(port)) || null;
    },
    READY_TIMEOUT_MS,
  );
  const [hostKey, login, sftpOnly, stranger] = await Promise.all([
    read("host.pub"),
    read("login"),
    read("sftpOnly"),
    read("stranger"),
  ]);
  const { stdout } = await run("ssh-keygen", ["-l", "-f", join(home, "host.pub")]);
  const stack = starting.move();
  return {
    port,
    user: userInfo().username,
    hostKey: hostKey.trim(),
    fingerprint: stdout.split(" ")[1] ?? "",
    keys: { login, sftpOnly, stranger },
    loginKeyFile: join(home, "login"),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

function configuration(home: string, port: number): string {
  return `ListenAddress 127.0.0.1:${port}
HostKey ${home}/host
PidFile none
AuthorizedKeysFile ${home}/authorized_keys
PermitRootLogin yes
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
# The temporary directory above the key file belongs to everybody.
StrictModes no
MaxStartups 100
Subsystem sftp internal-sftp
`;
}

async function accepts(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  const open = await once(socket, "connect").then(
    () => true,
    () => false,
  );
  socket.destroy();
  return open;
}

async function end(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGTERM");
  const force = setTimeout(() => child.kill("SIGKILL"), 5_000);
  await exited;
  clearTimeout(force);
}
