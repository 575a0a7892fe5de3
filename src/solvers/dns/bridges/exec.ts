import { z } from "zod";
import type { DnsProviderKind } from "../provider.ts";
import { hasDomain, MODES, rawAnswer } from "./raw.ts";
import { anyZone, runScript, scriptOptions } from "./script.ts";

const options = z.strictObject({
  command: z
    .tuple([z.string().min(1).max(4096)], z.string().max(4096))
    .describe(
      "Program and arguments, without a shell. It is run with `present` or `cleanup`, the full name with a final dot " +
        "and the value after them, as lego runs `EXEC_PATH`, and must end with exit code 0 when it is done.",
    ),
  mode: z
    .enum(MODES)
    .default("default")
    .describe(
      "`raw`, as lego's `EXEC_MODE=RAW`: it is run with `present -- DOMAIN TOKEN KEY_AUTHORIZATION` and makes name " +
        "and value of them itself.",
    ),
  ...scriptOptions,
});

type ExecOptions = z.infer<typeof options>;

/** lego's `exec` contract in both modes. Clean-up may be run for what was never presented, and twice. */
export const exec: DnsProviderKind<ExecOptions> = {
  type: "exec",
  description: "Your own program, by the contract of lego's `exec` provider.",
  docs: "https://go-acme.github.io/lego/dns/exec/",
  options,
  traits: {},
  create(given, dependencies) {
    const [program] = given.command;
    const isRaw = given.mode === "raw";
    const call = async (
      action: "present" | "cleanup",
      name: string,
      { value, keyAuthorization }: { readonly value: string; readonly keyAuthorization: string | null | undefined },
      signal: AbortSignal,
    ): Promise<void> => {
      const raw = isRaw ? rawAnswer(name, keyAuthorization) : null;
      const words = raw === null ? [`${name}.`, value] : ["--", raw.domain, raw.token, raw.keyAuth];
      const argv = [...given.command, action, ...words];
      await runScript(given, dependencies, { argv, shown: `\`${program} ${action}\``, env: {} }, signal);
    };
    return {
      zones: async (name) => anyZone(name),
      txt: {
        model: "record",
        ...(isRaw && { takesKeyAuthorization: true }),
        async create(_zone, { name, keyAuthorization }, value, signal) {
          await call("present", name, { value, keyAuthorization }, signal);
          return isRaw ? (keyAuthorization ?? null) : null;
        },
        async remove(_zone, { name }, { value, id }, signal) {
          if (!isRaw || hasDomain(name)) await call("cleanup", name, { value, keyAuthorization: id }, signal);
        },
      },
    };
  },
};
