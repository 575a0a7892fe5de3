import { z } from "zod";
import { RenewalError } from "../../../domain/errors.ts";
import { CHALLENGE_LABEL } from "../challenge.ts";
import type { DnsProviderKind } from "../provider.ts";
import { hasDomain } from "./raw.ts";
import { anyZone, runScript, scriptOptions } from "./script.ts";

const hook = z.tuple([z.string().min(1).max(4096)], z.string().max(4096));
const OUTPUT_CHARACTERS_MAX = 4_096;

const options = z.strictObject({
  authHook: hook.describe(
    "Program and arguments that publish the value, as certbot's --manual-auth-hook but without a shell. Its " +
      "environment has CERTBOT_DOMAIN, CERTBOT_VALIDATION, CERTBOT_ALL_DOMAINS and CERTBOT_REMAINING_CHALLENGES.",
  ),
  cleanupHook: hook
    .optional()
    .describe("Program and arguments that remove it; its environment has CERTBOT_AUTH_OUTPUT, too. Default: none."),
  ...scriptOptions,
});

type HookOptions = z.infer<typeof options>;

/** certbot's manual hooks. What the auth hook prints is kept with the record, and given to the clean-up hook. */
export const certbotHooks: DnsProviderKind<HookOptions> = {
  type: "certbot-hooks",
  description: "Your scripts for certbot: --manual-auth-hook and --manual-cleanup-hook.",
  docs: "https://eff-certbot.readthedocs.io/en/stable/using.html#pre-and-post-validation-hooks",
  options,
  traits: {},
  create(given, dependencies) {
    const { authHook, cleanupHook } = given;
    const environment = (name: string, value: string): Record<string, string> => {
      const domain = domainOf(name);
      return {
        CERTBOT_DOMAIN: domain,
        CERTBOT_ALL_DOMAINS: domain,
        CERTBOT_VALIDATION: value,
        CERTBOT_REMAINING_CHALLENGES: "0",
      };
    };
    return {
      zones: async (name) => anyZone(name),
      txt: {
        model: "record",
        async create(_zone, { name }, value, signal) {
          const call = { argv: authHook, shown: `the auth hook \`${authHook[0]}\``, env: environment(name, value) };
          const output = (await runScript(given, dependencies, call, signal)).trim();
          return output === "" || output.length > OUTPUT_CHARACTERS_MAX ? null : output;
        },
        async remove(_zone, { name }, { id, value }, signal) {
          if (cleanupHook === undefined || !hasDomain(name)) return;
          const env = { ...environment(name, value), CERTBOT_AUTH_OUTPUT: (id ?? "").replaceAll("\0", "") };
          const call = { argv: cleanupHook, shown: `the clean-up hook \`${cleanupHook[0]}\``, env };
          await runScript(given, dependencies, call, signal);
        },
      },
    };
  },
};

/** The hooks get the domain and add `_acme-challenge.` themselves. */
function domainOf(name: string): string {
  if (hasDomain(name)) return name.slice(CHALLENGE_LABEL.length + 1);
  throw new RenewalError(
    "dns.refused",
    `certbot's hooks cannot publish at ${name}, which a CNAME leads to: set the solver's \`follow: never\``,
  );
}
