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
    ...layoutOptions({ certificate: "ssl_certificate", key: "ssl_certificate_key" }),
    ...ownerOptions,
    binary: programName.default("nginx").describe("nginx program: a path, or a name looked up in PATH."),
    configFile: absolutePath.optional().describe("nginx's `-c`, when the running nginx was started with one."),
    prefix: z
      .string()
      .startsWith("/")
      .max(1024)
      .optional()
      .describe("nginx's `-p`, when the running nginx was started with one."),
    timeout: durationOption("30s").describe("Time `nginx -t` and `nginx -s reload` may take each: 500ms, 30s, 2m."),
  })
  .superRefine(oneLayout);

export const nginx = fileServer({
  type: "nginx",
  description: "Writes the pair nginx reads, checks it by `nginx -t`, and reloads.",
  options,
  control: ({ binary, configFile, prefix, timeout }) => {
    const instance = [
      ...(prefix === undefined ? [] : ["-p", prefix]),
      ...(configFile === undefined ? [] : ["-c", configFile]),
    ];
    const words = [prefix, configFile].filter((word) => word !== undefined);
    return {
      ...programControl({
        binary,
        test: [...instance, "-q", "-t"],
        reload: [...instance, "-s", "reload"],
        errorLine: /^(?:nginx: |[\d/]{10} [\d:]{8} )(\[\w+\] .*|configuration file .*)$/,
        timeoutMs: timeout,
      }),
      reader: (signal) => runningReader({ programs: ["nginx"], words }, signal),
      // A program of another name may have the right itself, as by sudo.
      running: async (signal) => {
        if (basename(binary) === "nginx") await requireSignal({ programs: ["nginx"], words }, signal);
      },
    };
  },
});
