import { z } from "zod";
import type { DnsProviderKind } from "../provider.ts";
import { anyZone, runScript, scriptOptions } from "./script.ts";

const options = z.strictObject({
  command: z
    .tuple([z.string().min(1).max(4096)], z.string().max(4096))
    .describe(
      "Program and arguments, without a shell. It is run with `present` or `cleanup`, the full name with a final dot " +
        "and the value after them, as lego runs `EXEC_PATH`, and must end with exit code 0 when it is done.",
    ),
  ...scriptOptions,
});

type ExecOptions = z.infer<typeof options>;

/** lego's `exec` contract in its default mode. Clean-up may be run for what was never presented, and twice. */
export const exec: DnsProviderKind<ExecOptions> = {
  type: "exec",
  description: "Your own program, by the contract of lego's `exec` provider.",
  docs: "https://go-acme.github.io/lego/dns/exec/",
  options,
  traits: {},
  create(given, dependencies) {
    const [program] = given.command;
    const call = (action: "present" | "cleanup", name: string, value: string, signal: AbortSignal): Promise<string> =>
      runScript(
        given,
        dependencies,
        { argv: [...given.command, action, `${name}.`, value], shown: `\`${program} ${action}\``, env: {} },
        signal,
      );
    return {
      zones: async (name) => anyZone(name),
      txt: {
        model: "record",
        async create(_zone, { name }, value, signal) {
          await call("present", name, value, signal);
          return null;
        },
        async remove(_zone, { name }, { value }, signal) {
          await call("cleanup", name, value, signal);
        },
      },
    };
  },
};
