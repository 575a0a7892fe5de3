import { once } from "node:events";
import { createServer } from "node:net";

/** A loopback port nobody listens on now. Start what binds it through `onFreePorts`: another process may take it in between. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}

const STARTS_MAX = 5;

/** Runs `start`, which chooses free ports for a server, again with others when one was taken in between. */
export async function onFreePorts<T>(start: () => Promise<T>): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await start();
    } catch (error) {
      if (attempt === STARTS_MAX || !(error instanceof Error && /address (already )?in use/i.test(error.message))) throw error;
    }
  }
}
