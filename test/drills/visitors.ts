// Clients of one site while its certificate is swapped: new connections that are judged, and one that is kept as long
// as it lasts.
import { once } from "node:events";
import { Agent, request } from "node:https";
import { setTimeout as delay } from "node:timers/promises";
import type { TLSSocket } from "node:tls";
import { fingerprintOf } from "../support/servers/served.ts";
import { connectTo } from "./connection.ts";
import type { Visit } from "./continuity.ts";
import type { Site } from "./sites.ts";

/**
 * New connections overlap, as those of different people do. With so many, 100 reloads of a Caddy whose queued
 * connections are reset (see privateNetwork.ts) do not stay unnoticed.
 */
const VISITORS = 4;
const PAUSE_MS = 60;
const KEPT_PAUSE_MS = 100;
const ANSWER_TIMEOUT_MS = 10_000;

/** One HTTP connection that is used again and again, and opened anew when the server has closed it. */
export interface Kept {
  readonly requests: number;
  readonly unanswered: number;
  readonly connections: number;
}

export interface Visitors extends AsyncDisposable {
  readonly visits: readonly Visit[];
  kept(): Kept;
}

export function startVisitors(site: Site, rootPem: string): Visitors {
  const visits: Visit[] = [];
  const kept = { requests: 0, unanswered: 0, connections: 0 };
  const agent = new Agent({ keepAlive: true, maxSockets: 1, ca: rootPem });
  let stopped = false;
  const visitor = async (index: number): Promise<void> => {
    await delay((index * PAUSE_MS) / VISITORS);
    for (; !stopped; await delay(PAUSE_MS)) visits.push(await visit(site, rootPem));
  };
  const keeper = async (): Promise<void> => {
    for (; !stopped; await delay(KEPT_PAUSE_MS)) {
      kept.requests += 1;
      await get(site, agent, () => {
        kept.connections += 1;
      }).catch(() => {
        kept.unanswered += 1;
      });
    }
  };
  const work = Promise.all([keeper(), ...Array.from({ length: VISITORS }, (_, index) => visitor(index))]);
  return {
    visits,
    kept: () => ({ ...kept }),
    async [Symbol.asyncDispose]() {
      stopped = true;
      await work;
      agent.destroy();
    },
  };
}

async function visit(site: Site, rootPem: string): Promise<Visit> {
  const openedAt = Date.now();
  let socket: TLSSocket;
  try {
    socket = await connectTo(site, rootPem);
  } catch (error) {
    return {
      openedAt,
      fingerprint: null,
      answered: false,
      problem: error instanceof Error ? error.message : String(error),
    };
  }
  const leaf = socket.getPeerX509Certificate();
  const answered = await ask(socket, site.sni).catch(() => false);
  socket.destroy();
  return { openedAt, fingerprint: leaf === undefined ? "" : fingerprintOf(leaf), answered, problem: null };
}

async function ask(socket: TLSSocket, host: string): Promise<boolean> {
  socket.write(`GET / HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`);
  for await (const chunk of socket) return String(chunk).startsWith("HTTP/1.1 200");
  return false;
}

async function get({ port, sni }: Site, agent: Agent, opened: () => void): Promise<void> {
  const asked = request({
    host: "127.0.0.1",
    port,
    servername: sni,
    headers: { host: sni },
    agent,
    timeout: ANSWER_TIMEOUT_MS,
  });
  asked.on("timeout", () => asked.destroy(new Error("no answer")));
  asked.on("error", () => undefined);
  asked.once("socket", () => {
    if (!asked.reusedSocket) opened();
  });
  asked.end();
  const [answer] = await once(asked, "response");
  answer.resume();
  await once(answer, "end");
}
