import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { absolutePath } from "../base/targetPath.ts";
import { ownerOptions } from "../local/owner.ts";
import { layoutOptions, oneLayout } from "../local/pairLayout.ts";
import { runningReader } from "../local/reader.ts";
import { fileServer } from "./fileServer.ts";
import { type PidFile, readPid, signalServer } from "./pidFile.ts";

/**
 * Mosquitto loses a SIGHUP that arrives during a reload (it clears its flag afterwards), and a pair swapped in the
 * middle of that reload left its listener without a key. It does not report the end of a reload. A reload takes
 * milliseconds: so after this time it either obeys a second SIGHUP, or loses it to a reload that began after the swap.
 */
const RELOAD_MS = 250;

const options = z
  .strictObject({
    ...layoutOptions({ certificate: "certfile", key: "keyfile" }),
    pidFile: absolutePath.default("/run/mosquitto/mosquitto.pid").describe("File that Mosquitto's `pid_file` names."),
    // Mosquitto 2 gives up root before it reads the pair.
    ...ownerOptions,
  })
  .superRefine(oneLayout);

export const mosquitto = fileServer({
  type: "mosquitto",
  description: "Writes the pair Mosquitto reads and reloads it by SIGHUP. Set `owner` to the user Mosquitto runs as.",
  options,
  control: ({ pidFile }) => {
    const programs = ["mosquitto"];
    const broker: PidFile = { path: pidFile, programs };
    return {
      async reader(signal) {
        const pid = await readPid(pidFile, signal).catch(() => null);
        return pid === null ? null : await runningReader({ programs, pid, dropsRootFirst: true }, signal);
      },
      running: (signal) => signalServer(broker, 0, signal),
      // mosquitto(8): SIGHUP reloads the configuration and the certificates. Mosquitto 2.0 has no check of either.
      async reload(_secret, signal) {
        await signalServer(broker, "SIGHUP", signal);
        await delay(RELOAD_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
        await signalServer(broker, "SIGHUP", signal);
      },
    };
  },
});
