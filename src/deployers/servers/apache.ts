import { stat } from "node:fs/promises";
import { setTimeout as delay } from "node:timers/promises";
import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import { formatDuration } from "../../domain/time.ts";
import { durationOption } from "../base/duration.ts";
import { fileError } from "../base/fileError.ts";
import { absolutePath } from "../base/targetPath.ts";
import { runCommand } from "../local/command.ts";
import { ownerOptions } from "../local/owner.ts";
import { layoutOptions, oneLayout } from "../local/pairLayout.ts";
import { runningReader } from "../local/reader.ts";
import { fileServer } from "./fileServer.ts";
import { type PidFile, signalServer } from "./pidFile.ts";
import { programControl, programName } from "./programControl.ts";
import type { ServerControl } from "./serverControl.ts";

const POLL_MS = 25;
/** Its lines begin with a code or a time, and say where the mistake is. */
const ERROR_LINE = /^(?:\[|AH\d+|Syntax error|apache2|apachectl|httpd|Action|SSL)|(?:error|invalid|cannot|does not)/i;

const options = z
  .strictObject({
    ...layoutOptions({ certificate: "SSLCertificateFile", key: "SSLCertificateKeyFile" }),
    ...ownerOptions,
    binary: programName
      .default("apachectl")
      .describe(
        "Program that passes its arguments to Apache: a path, or a name looked up in PATH. On Red Hat's systems, " +
          "where apachectl does not, `httpd`.",
      ),
    configFile: absolutePath.optional().describe("Apache's `-f`, when the running Apache was started with one."),
    serverRoot: z
      .string()
      .startsWith("/")
      .max(1024)
      .optional()
      .describe("Apache's `-d`, when the running Apache was started with one."),
    timeout: durationOption("30s").describe(
      "Time the configuration test and `-k graceful` may take each: 500ms, 30s, 2m.",
    ),
  })
  .superRefine(oneLayout);

/** It reads the keys as well. */
const GIVEN_KEY = { givenKey: true, errorLine: ERROR_LINE };

type ApacheOptions = z.infer<typeof options>;

export const apache = fileServer({
  type: "apache",
  // Seen with 2.4.71: the test says "Syntax OK" for a key that does not match, and the reload then ends Apache.
  description:
    "Writes the pair Apache httpd reads, runs its configuration test, and reloads gracefully. " +
    "Prefer `bundle`: an Apache that reloads between the swap of two files finds a pair that does not match, and ends.",
  options,
  control,
});

/**
 * `-k graceful` starts an Apache that does not run (httpd's "Stopping and Restarting"). renewd must not start one that
 * was stopped on purpose, such as a standby: so it first checks the process in the pid file that Apache itself names.
 */
function control({ binary, configFile, serverRoot, timeout }: ApacheOptions): ServerControl {
  const instance = [
    ...(serverRoot === undefined ? [] : ["-d", serverRoot]),
    ...(configFile === undefined ? [] : ["-f", configFile]),
  ];
  const program = programControl({
    binary,
    test: [...instance, "-t"],
    reload: [...instance, "-k", "graceful"],
    errorLine: ERROR_LINE,
    timeoutMs: timeout,
  });
  const runningPidFile = async (signal: AbortSignal): Promise<PidFile> => {
    const settings = await runCommand(
      { argv: [binary, ...instance, "-t", "-D", "DUMP_RUN_CFG"], timeoutMs: timeout, ...GIVEN_KEY },
      signal,
    );
    const path = /^PidFile: "(.+)"$/m.exec(settings)?.[1];
    if (path === undefined)
      throw new RenewalError(
        "deploy.refused",
        `\`${binary} -t -D DUMP_RUN_CFG\` names no PidFile: Apache 2.4 or later is needed`,
      );
    await signalServer({ path }, 0, signal);
    return { path };
  };
  const words = [serverRoot, configFile].filter((word) => word !== undefined);
  return {
    ...program,
    reader: (signal) => runningReader({ programs: ["apache2", "httpd"], words }, signal),
    async running(signal) {
      await runningPidFile(signal);
    },
    async reload(secret, signal) {
      const pidFile = await runningPidFile(signal);
      const before = await writtenAt(pidFile);
      await program.reload(secret, signal);
      await reloaded(pidFile, before, timeout, signal);
    },
  };
}

/**
 * Apache writes its pid file again once it has read everything. Until then it takes no other reload, and a swap between
 * its reading of certificate and key would end it. Throws `deploy.commandFailed` when the reload ended it.
 */
async function reloaded(pidFile: PidFile, before: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
  const deadline = performance.now() + timeoutMs;
  while ((await writtenAt(pidFile)) === before) {
    await signalServer(pidFile, 0, signal).catch((cause) => {
      signal.throwIfAborted();
      throw new RenewalError(
        "deploy.commandFailed",
        "Apache ended at its graceful reload: its error log says why; fix that and start it",
        { cause },
      );
    });
    if (performance.now() > deadline)
      throw new RenewalError(
        "deploy.timeout",
        `Apache did not finish its graceful reload within ${formatDuration(timeoutMs)}`,
      );
    await delay(POLL_MS, undefined, { signal }).catch(() => signal.throwIfAborted());
  }
}

async function writtenAt({ path }: PidFile): Promise<string> {
  const { ino, mtimeMs } = await stat(path).catch((error) => {
    throw fileError(error, `pid file ${path}`);
  });
  return `${ino} ${mtimeMs}`;
}
