// Two networks of one machine, each a namespace with a resolver of its own, and one BIND that answers each differently.
import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { promisify } from "node:util";

const execute = promisify(execFile);

export interface Network {
  /** Put before a command, it runs in this network. */
  readonly inside: readonly string[];
  /** Where its servers listen. */
  readonly address: string;
}

export interface SplitNetworks extends AsyncDisposable {
  readonly office: Network;
  readonly internet: Network;
}

const ADDRESSES = { office: "10.90.0.1", internet: "10.90.0.2" } as const;

/**
 * In each network `host` has another address: that network's own. Nothing of the machine is changed, and all of it ends
 * with the processes. Throws, saying what is missing, where namespaces cannot be had.
 */
export async function splitNetworks(host: string): Promise<SplitNetworks> {
  await using starting = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), "renewd-split-"));
  starting.defer(() => rm(home, { recursive: true, force: true }));
  await writeFile(join(home, "resolv.conf"), `nameserver ${ADDRESSES.office}\noptions timeout:1\n`);
  await writeFile(join(home, "named.conf"), namedConf(home, host));
  for (const [view, address] of Object.entries(ADDRESSES)) await writeFile(join(home, `${view}.zone`), zone(address));
  const [office, internet] = await Promise.all([
    holdNamespace(starting, home, "office"),
    holdNamespace(starting, home, "internet"),
  ]);
  const link = ["link", "add", "split0", "netns", String(office.pid), "type", "veth"];
  await execute("ip", [...link, "peer", "name", "split0", "netns", String(internet.pid)]);
  for (const { inside, address } of [office, internet]) {
    const [program = "", ...args] = [
      ...inside,
      "sh",
      "-c",
      `ip addr add ${address}/24 dev split0 && ip link set split0 up`,
    ];
    await execute(program, args);
  }
  await startNamed(starting, office, join(home, "named.conf"));
  const stack = starting.move();
  return { office, internet, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** Runs in a network until the stack ends; resolves with the first line that shows it is ready. */
export async function runInside(
  stack: AsyncDisposableStack,
  { inside }: Pick<Network, "inside">,
  command: readonly string[],
  ready: string,
): Promise<void> {
  const [program = "", ...args] = [...inside, ...command];
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  stack.defer(() => endOf(child));
  const said: string[] = [];
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const told = (line: string): void => {
    said.push(line);
    if (line.includes(ready)) resolve();
  };
  for (const input of [child.stdout, child.stderr]) createInterface({ input }).on("line", told);
  child.once("exit", () => reject(new Error(`${command.join(" ")} ended:\n${said.slice(-20).join("\n")}`)));
  child.once("error", reject);
  await promise;
}

async function endOf(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, "exit");
  child.kill("SIGKILL");
  await exited;
}

async function holdNamespace(
  stack: AsyncDisposableStack,
  home: string,
  name: keyof typeof ADDRESSES,
): Promise<Network & { readonly pid: number }> {
  const setUp = `ip link set lo up && mount --bind ${home}/resolv.conf /etc/resolv.conf && echo ready && exec sleep 3600`;
  const child = spawn("unshare", ["--net", "--mount", "sh", "-c", setUp], { stdio: ["ignore", "pipe", "pipe"] });
  stack.defer(() => endOf(child));
  const errors: string[] = [];
  child.stderr.on("data", (chunk: Buffer) => errors.push(String(chunk)));
  const isReady = await Promise.race([
    once(child.stdout, "data").then(() => true),
    once(child, "exit").then(() => false),
  ]);
  if (!isReady)
    throw new Error(
      `this test needs network and mount namespaces (root; in a container --cap-add SYS_ADMIN): ${errors.join("")}`,
    );
  const { pid = 0 } = child;
  return { pid, inside: ["nsenter", "--target", String(pid), "--net", "--mount"], address: ADDRESSES[name] };
}

function startNamed(stack: AsyncDisposableStack, network: Network, file: string): Promise<void> {
  return runInside(stack, network, ["named", "-g", "-4", "-n", "1", "-c", file], " running");
}

function namedConf(home: string, host: string): string {
  const zoneOf = (view: string): string => `zone "${host}" { type primary; file "${home}/${view}.zone"; };`;
  return `options { directory "${home}"; listen-on { any; }; listen-on-v6 { none; }; recursion no; pid-file none;
  session-keyfile none; dnssec-validation no; };
controls { };
view office { match-clients { ${ADDRESSES.office}; 127.0.0.1; }; ${zoneOf("office")} };
view internet { match-clients { any; }; ${zoneOf("internet")} };
`;
}

function zone(address: string): string {
  return `$TTL 1
@ IN SOA ns.invalid. host.invalid. 1 3600 600 86400 1
@ IN NS ns.invalid.
@ IN A ${address}
`;
}
