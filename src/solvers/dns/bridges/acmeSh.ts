import { access, chmod, constants, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { isAbsolute, join } from "node:path";
import { z } from "zod";
import { RenewalError } from "../../../domain/errors.ts";
import { sanitize } from "../../../domain/text.ts";
import type { DnsProviderKind } from "../provider.ts";
import { readInfo, variableProblems } from "./acmeShInfo.ts";
import { anyZone, runScript, scriptOptions } from "./script.ts";

const options = z.strictObject({
  home: z
    .string()
    .refine(isAbsolute, "must be an absolute path")
    .describe("Directory of your own acme.sh: the one with `acme.sh` and `dnsapi/` in it. renewd does not include it."),
  script: z
    .string()
    .regex(/^dns_[A-Za-z0-9_]{1,60}$/, "give the script's name without .sh, such as dns_cf")
    .describe(
      "Name of the dnsapi script: `dns_cf` for `dnsapi/dns_cf.sh`. `renewd solvers acme.sh dns_cf` shows its variables.",
    ),
  ...scriptOptions,
});

type AcmeShOptions = z.infer<typeof options>;

/**
 * As acme.sh runs it: acme.sh is sourced for the functions that scripts build on (with no arguments it prints its
 * help), then the script, whose function gets the name and the value. Everything comes in through the environment, so
 * that no value is ever read as shell code.
 */
const DRIVER = `. "$_SCRIPT_HOME/acme.sh" >/dev/null || exit 1
_initpath "$RENEWD_DOMAIN" >/dev/null || exit 1
mkdir -p "$DOMAIN_PATH" || exit 1
. "$RENEWD_SCRIPT_FILE" || exit 1
"\${RENEWD_SCRIPT}_$RENEWD_ACTION" "$RENEWD_FULLDOMAIN" "$RENEWD_VALUE"`;

const SCRIPT_BYTES_MAX = 1024 * 1024;

export const acmeSh: DnsProviderKind<AcmeShOptions> = {
  type: "acme.sh",
  description: "Any dnsapi script of your own acme.sh: about 180 providers.",
  docs: "https://github.com/acmesh-official/acme.sh/wiki/dnsapi",
  options,
  // Some scripts take their time; most providers behind them are quick.
  traits: { propagationMaxMs: 1_800_000 },
  create(given, dependencies) {
    const call = async (action: "add" | "rm", name: string, value: string, signal: AbortSignal): Promise<void> => {
      const { path } = await findScript(given);
      await withPrivateDirectory(async (directory) => {
        const env = {
          HOME: directory,
          RENEWD_SCRIPT: given.script,
          RENEWD_SCRIPT_FILE: path,
          RENEWD_ACTION: action,
          RENEWD_DOMAIN: name.replace(/^_acme-challenge\./, ""),
          RENEWD_FULLDOMAIN: name,
          RENEWD_VALUE: value,
          _SCRIPT_HOME: given.home,
          // Scripts save their variables, passwords too, below LE_CONFIG_HOME.
          LE_WORKING_DIR: directory,
          LE_CONFIG_HOME: directory,
        };
        const shown = `acme.sh's ${given.script}_${action}`;
        await runScript(given, dependencies, { argv: ["sh", "-c", DRIVER], shown, env }, signal);
      });
    };
    return {
      zones: async (name) => anyZone(name),
      txt: {
        model: "record",
        async create(_zone, { name }, value, signal) {
          await call("add", name, value, signal);
          return null;
        },
        remove: (_zone, { name }, { value }, signal) => call("rm", name, value, signal),
      },
      async missingRights(_at, signal) {
        signal.throwIfAborted();
        const { text } = await findScript(given);
        const names = [...Object.keys(given.environment), ...Object.keys(given.secretEnvironment)];
        const problems = variableProblems(text, readInfo(text, given.script), names);
        return problems.map((problem) => sanitize(`${given.script}: ${problem}.`, 500));
      },
    };
  },
};

export interface FoundScript {
  readonly path: string;
  readonly text: string;
}

/** Where acme.sh looks: below `dnsapi/`, or in its own directory. Throws `dns.refused` when one of both is not there. */
export async function findScript({ home, script }: Pick<AcmeShOptions, "home" | "script">): Promise<FoundScript> {
  const [path, own] = [join(home, "dnsapi", `${script}.sh`), join(home, `${script}.sh`)];
  const read = async (at: string): Promise<FoundScript> => {
    return { path: at, text: (await readFile(at, "utf8")).slice(0, SCRIPT_BYTES_MAX) };
  };
  try {
    await access(join(home, "acme.sh"), constants.R_OK);
    return await read(path).catch(() => read(own));
  } catch (cause) {
    throw new RenewalError(
      "dns.refused",
      `${path} cannot be read: \`home\` must be the directory of your acme.sh, and \`script\` one of its dnsapi scripts`,
      { cause },
    );
  }
}

/** For one call: nothing that a script leaves in it outlives the call. */
async function withPrivateDirectory(work: (directory: string) => Promise<void>): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "renewd-acme.sh-"));
  try {
    await chmod(directory, 0o700);
    await work(directory);
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
