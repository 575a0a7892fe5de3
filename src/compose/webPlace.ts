import type { WebConfig } from "../config/config.ts";
import { readPair, type WebServer } from "../web/server.ts";

/** Where the web interface listens now. */
export interface WebPlace {
  /** Listens at another place, if it is another. If it cannot, it goes on where it is, and throws. */
  move(to: WebConfig): Promise<void>;
  close(): Promise<void>;
}

export async function openWebPlace(at: WebConfig, listen: (at: WebConfig) => Promise<WebServer>): Promise<WebPlace> {
  let current = at;
  let server = await listen(at);
  return {
    async move(to) {
      if (isSamePlace(current, to)) return;
      // Found before anything is closed: the files of where it is may be gone by now.
      if (to.tls !== null) await readPair(to.tls);
      // It may want the same port.
      await server.close();
      try {
        server = await listen(to);
        current = to;
      } catch (thrown) {
        server = await listen(current);
        throw thrown;
      }
    },
    close: () => server.close(),
  };
}

function isSamePlace(a: WebConfig, b: WebConfig): boolean {
  return (
    a.host === b.host && a.port === b.port && a.tls?.certificate === b.tls?.certificate && a.tls?.key === b.tls?.key
  );
}
