// A client of the sites that never stops: every handshake verified as a browser would, every bundle on disk read as a
// server would.
import { setTimeout as delay } from "node:timers/promises";
import { storedFingerprint } from "../support/servers/served.ts";
import { connectTo } from "./connection.ts";
import type { Site } from "./sites.ts";

const PAUSE_MS = 15;
const KEPT_MAX = 20;

export interface Client extends AsyncDisposable {
  handshakes(): number;
  failed(): number;
  mixed(): number;
  /** The first of what went wrong, for people. */
  readonly problems: readonly string[];
}

/** Goes round the sites for ever; trusts only the CA's root, so the sites must hold its certificates by now. */
export function startClient(sites: readonly Site[], rootPem: string): Client {
  const problems: string[] = [];
  const count = { handshakes: 0, failed: 0, mixed: 0 };
  const note = (problem: string): void => {
    if (problems.length < KEPT_MAX) problems.push(`${new Date().toISOString()} ${problem}`);
  };
  let stopped = false;
  const work = (async () => {
    for (let turn = 0; !stopped; turn++) {
      const site = sites[turn % sites.length];
      if (site === undefined) return;
      count.handshakes += 1;
      const open = connectTo(site, rootPem).then((socket) => socket.destroy());
      await open.catch((error: unknown) => {
        count.failed += 1;
        note(
          `handshake with ${site.certificate} at ${site.server}: ${error instanceof Error ? error.message : String(error)}`,
        );
      });
      for (const file of site.bundles) {
        await storedFingerprint(file).catch((error: unknown) => {
          count.mixed += 1;
          note(`${file}: ${error instanceof Error ? error.message : String(error)}`);
        });
      }
      await delay(PAUSE_MS);
    }
  })();
  return {
    handshakes: () => count.handshakes,
    failed: () => count.failed,
    mixed: () => count.mixed,
    problems,
    async [Symbol.asyncDispose]() {
      stopped = true;
      await work;
    },
  };
}
