import { randomInt } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";

/**
 * Below what the kernel takes for outgoing connections (net.ipv4.ip_local_port_range): there, any connection of anybody
 * could take the port of a server that is not up yet, or is being restarted.
 */
const PORT_MIN = 10_240;
const PORT_MAX = 32_767;
/** Test files that run at the same time choose from ports of their own. */
const SHARES = 8;
const SHARE_PORTS = Math.floor((PORT_MAX - PORT_MIN + 1) / SHARES);
const shareStart = PORT_MIN + (Number(process.env.VITEST_POOL_ID ?? 0) % SHARES) * SHARE_PORTS;

let chosen = randomInt(SHARE_PORTS);

/**
 * A loopback port nobody listens on now, and that this process gives to nobody else. Start what binds it through
 * `onFreePorts`: somebody else may take it.
 */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < SHARE_PORTS; attempt++) {
    chosen = (chosen + 1) % SHARE_PORTS;
    const port = shareStart + chosen;
    if (await isFree(port)) return port;
  }
  throw new Error(`no port from ${shareStart} to ${shareStart + SHARE_PORTS - 1} is free`);
}

async function isFree(port: number): Promise<boolean> {
  const server = createServer().listen(port, "127.0.0.1");
  try {
    await once(server, "listening");
  } catch {
    return false;
  }
  server.close();
  await once(server, "close");
  return true;
}

const STARTS_MAX = 5;

/** Runs `start`, which chooses free ports for a server, again with others when one was taken in between. */
export async function onFreePorts<T>(start: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (error) {
      if (attempt === STARTS_MAX || !(error instanceof Error && /address (already )?in use/i.test(error.message)))
        throw error;
    }
  }
}
