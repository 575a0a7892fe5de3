import { once } from "node:events";
import { get } from "node:http";
import { connect } from "node:net";
import { hostname } from "node:os";
import { IDENTITY_PATH } from "../domain/challengeToken.ts";
import type { HealthStore } from "../domain/heartbeat.ts";
import type { Context } from "../renewal/context.ts";
import { askServerId } from "../solvers/dns/server/serverId.ts";
import { askInstallation } from "../tls/installation.ts";
import type { ListeningAddress } from "../web/listen.ts";
import type { Beats, ProblemNote } from "./beats.ts";
import { portHolders } from "./portHolder.ts";
import { repeat } from "./repeat.ts";

/** The kernel shares connections out among all that listen: so many that another one is met almost surely. */
const CONNECTIONS = 16;
const PORT_TICK_MS = 30_000;
const ANSWER_TIMEOUT_MS = 2_000;
const IDENTITY_BYTES_MAX = 100;
const SHOWN_CHARACTERS = 8;

export const SHARED_LISTENERS = ["http01", "tlsAlpn01", "dnsServer"] as const;
/** What processes may share, and two installations may not. */
export type SharedListener = (typeof SHARED_LISTENERS)[number];

interface Kind {
  readonly name: string;
  /** Of `ss`. */
  readonly ssOption: string;
  /** Which installation answers; "": something else. Rejects when nobody answers. */
  ask(at: ListeningAddress, signal: AbortSignal): Promise<string>;
}

const KINDS: Readonly<Record<SharedListener, Kind>> = {
  http01: { name: "http-01 responder", ssOption: "-ltnp", ask: askHttp },
  tlsAlpn01: { name: "tls-alpn-01 responder", ssOption: "-ltnp", ask: askInstallation },
  dnsServer: { name: "DNS server", ssOption: "-lunp", ask: askServerId },
};

export interface PortWatchOptions {
  /** Of this installation. */
  readonly identity: string;
  readonly note: Beats["note"];
  /** Where this process listens now. */
  readonly places: () => Readonly<Record<SharedListener, readonly ListeningAddress[]>>;
  readonly onError: (thrown: unknown) => void;
}

export interface PortQuestion {
  readonly listener: SharedListener;
  readonly at: ListeningAddress;
  /** Of this installation. */
  readonly identity: string;
  /** Processes of this installation on this machine; asked only when another one is found. */
  readonly ours: () => Promise<ReadonlySet<number>>;
}

/**
 * Several processes of one installation may share a responder's port, as each can answer for all. One of another
 * installation answers half of the CA's questions wrong: this finds it by asking. null: all answers were ours, or
 * nobody answered.
 */
export async function sharedPort(
  { listener, at: { host, port }, identity, ours }: PortQuestion,
  signal: AbortSignal,
): Promise<ProblemNote | null> {
  const { name, ssOption, ask } = KINDS[listener];
  const at = { host: dialled(host), port };
  const limited = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)]);
  const answers = await Promise.all(Array.from({ length: CONNECTIONS }, () => ask(at, limited).catch(() => null)));
  const asked = answers.filter((answer) => answer !== null);
  const foreign = asked.filter((answer) => answer !== identity);
  if (foreign.length === 0) return null;
  const other = foreign.find((answer) => answer !== "");
  const holders = await portHolders(port, await ours());
  const who = holders ?? (other === undefined ? null : `id ${other.slice(0, SHOWN_CHARACTERS)}`);
  return {
    message:
      `${other === undefined ? "another program" : "another installation"}${who === null ? "" : ` (${who})`} ` +
      `listens on port ${port} of the ${name} as well: ${foreign.length} of ${asked.length} connections got its ` +
      "answer, so challenges fail at random",
    action: `Find it (\`ss ${ssOption} 'sport = :${port}'\`) and stop it, or give one of them another \`${listener}\` address.`,
  };
}

/** Looks for other installations on the ports of this process; finds one well within a minute. */
export function watchPorts(
  { store }: Pick<Context, "store">,
  { identity, note, places, onError }: PortWatchOptions,
): { close(): Promise<void> } {
  const ours = () => ownProcesses(store.health);
  return repeat(
    PORT_TICK_MS,
    async (signal) => {
      for (const listener of SHARED_LISTENERS)
        note(
          "port",
          await firstShared({ listener, places: places()[listener], identity, ours }, signal),
          `shared ${listener}`,
        );
    },
    onError,
    "now",
  );
}

async function firstShared(
  { places, ...question }: Omit<PortQuestion, "at"> & { readonly places: readonly ListeningAddress[] },
  signal: AbortSignal,
): Promise<ProblemNote | null> {
  for (const at of places) {
    const problem = await sharedPort({ ...question, at }, signal);
    if (problem !== null) return problem;
  }
  return null;
}

/** This process and those of its installation on this machine. */
export async function ownProcesses(health: Pick<HealthStore, "beats">): Promise<ReadonlySet<number>> {
  const here = `${hostname()}/`;
  const names = (await health.beats()).map((beat) => beat.process).filter((name) => name.startsWith(here));
  return new Set([process.pid, ...names.map((name) => Number(name.slice(here.length)))]);
}

/** Who has the port already, where this process may not listen itself; null: nobody. */
export async function listenerAt(
  { host, port }: ListeningAddress,
  signal: AbortSignal,
): Promise<"renewd" | "another" | null> {
  const at = dialled(host);
  if (
    (await askHttp({ host: at, port }, AbortSignal.any([signal, AbortSignal.timeout(ANSWER_TIMEOUT_MS)])).catch(
      () => "",
    )) !== ""
  )
    return "renewd";
  const socket = connect({ host: at, port });
  try {
    await once(socket, "connect", { signal });
    return "another";
  } catch {
    return null;
  } finally {
    socket.destroy();
  }
}

function dialled(host: string): string {
  return host === "::" || host === "0.0.0.0" ? "127.0.0.1" : host;
}

function askHttp({ host, port }: ListeningAddress, signal: AbortSignal): Promise<string> {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  // A connection of its own each: one that is kept meets the same listener again.
  const request = get({ host, port, path: IDENTITY_PATH, agent: false, signal }, (response) => {
    let text = "";
    response.setEncoding("latin1");
    response.on("data", (chunk: string) => {
      text = (text + chunk).slice(0, IDENTITY_BYTES_MAX);
    });
    response.on("end", () => resolve(response.statusCode === 200 ? text : ""));
    response.on("error", reject);
  });
  request.on("error", reject);
  return promise;
}
