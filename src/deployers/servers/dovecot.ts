import { basename } from "node:path";
import { z } from "zod";
import { durationOption } from "../base/duration.ts";
import { absolutePath } from "../base/targetPath.ts";
import { ownerOptions } from "../local/owner.ts";
import { layoutOptions, oneLayout } from "../local/pairLayout.ts";
import { requireSignal, runningReader } from "../local/reader.ts";
import { fileServer } from "./fileServer.ts";
import { programControl, programName } from "./programControl.ts";

const options = z
  .strictObject({
    // Dovecot 2.4 calls them ssl_server_cert_file and ssl_server_key_file.
    ...layoutOptions({ certificate: "ssl_cert", key: "ssl_key" }),
    ...ownerOptions,
    binary: programName.default("dovecot").describe("dovecot program: a path, or a name looked up in PATH."),
    configFile: absolutePath.optional().describe("dovecot's `-c`, when the running dovecot was started with one."),
    timeout: durationOption("30s").describe("Time `dovecot -n` and `dovecot reload` may take each: 500ms, 30s, 2m."),
  })
  .superRefine(oneLayout);

export const dovecot = fileServer({
  type: "dovecot",
  description: "Writes the pair Dovecot reads, checks the configuration by `dovecot -n`, and reloads.",
  options,
  control: ({ binary, configFile, timeout }) => {
    const instance = configFile === undefined ? [] : ["-c", configFile];
    const words = configFile === undefined ? [] : [configFile];
    return {
      ...programControl({
        binary,
        test: [...instance, "-n"],
        reload: [...instance, "reload"],
        errorLine: /^(?:doveconf|dovecot|doveadm|config)?[\w():, ]*(?:Fatal|Error|Panic)\b/,
        timeoutMs: timeout,
      }),
      reader: (signal) => runningReader({ programs: ["dovecot"], words }, signal),
      // A program of another name may have the right itself, as by sudo.
      running: async (signal) => {
        if (basename(binary) === "dovecot") await requireSignal({ programs: ["dovecot"], words }, signal);
      },
    };
  },
});
