import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import { durationOption } from "../base/duration.ts";
import { absolutePath } from "../base/targetPath.ts";
import { runCommand } from "../local/command.ts";
import { ownerOptions } from "../local/owner.ts";
import { fileServer } from "./fileServer.ts";
import { programControl, programName } from "./programControl.ts";
import type { ServerControl } from "./serverControl.ts";

// One file only: Postfix starts an smtpd whenever clients come, and each reads the pair itself. Between the renames of
// two files one would read a torn pair and continue without TLS (postconf(5), smtpd_tls_chain_files; it wants the key
// first).
const options = z.strictObject({
  bundle: absolutePath.describe(
    "File that `smtpd_tls_chain_files` (Postfix 3.4 or later) names: key, certificate and chain. `{certificate}` " +
      "stands for the certificate's name.",
  ),
  ...ownerOptions,
  binary: programName.default("postfix").describe("postfix program: a path, or a name looked up in PATH."),
  configDirectory: absolutePath
    .optional()
    .describe("postfix's `-c`: the instance's directory, when it is not the default one."),
  timeout: durationOption("30s").describe("Time `postfix check` and `postfix reload` may take each: 500ms, 30s, 2m."),
});

export const postfix = fileServer({
  type: "postfix",
  description:
    "Writes key and chain to the one file Postfix reads, checks the configuration by `postfix check`, and reloads.",
  options,
  control,
});

const ERROR_LINE = /^post[\w/-]+: (?:fatal|error|warning|panic)\b/;

function control({ binary, configDirectory, timeout }: z.infer<typeof options>): ServerControl {
  const instance = configDirectory === undefined ? [] : ["-c", configDirectory];
  const program = programControl({
    binary,
    test: [...instance, "check"],
    reload: [...instance, "reload"],
    errorLine: ERROR_LINE,
    timeoutMs: timeout,
  });
  return {
    ...program,
    async running(signal) {
      const argv = [binary, ...instance, "status"];
      await runCommand({ argv, timeoutMs: timeout, givenKey: true, errorLine: ERROR_LINE }, signal).catch(notRunning);
    },
    reload: (secret, signal) => program.reload(secret, signal).catch(notRunning),
  };
}

/** `postfix` explains itself only on a terminal. With a configuration that it accepts, this is the one reason left. */
function notRunning(cause: unknown): never {
  if (!(cause instanceof RenewalError) || cause.code !== "deploy.commandFailed") throw cause;
  throw new RenewalError(
    "deploy.unreachable",
    `${cause.message}; does the mail system run? If it does, its log says more`,
    { cause },
  );
}
