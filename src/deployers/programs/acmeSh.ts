import { access, constants } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import type { KeyType } from "../../domain/certificate.ts";
import type { Deployer, DeployRequest } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { durationOption } from "../base/duration.ts";
import { absolutePath, resolveTargetPath, rootOf } from "../base/targetPath.ts";
import { runCommand } from "../local/command.ts";
import { checkSecrets, environmentOptions, programEnvironment } from "./programEnvironment.ts";
import { checkProgramFiles, type ProgramFiles, withProgramFiles } from "./programFiles.ts";

const optionsSchema = z.strictObject({
  home: absolutePath.describe(
    "Directory of your own acme.sh: the one with `acme.sh` and `deploy/` in it. renewd does not include acme.sh.",
  ),
  hook: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]{0,63}$/, "give the hook's name without .sh")
    .describe("Name of the deploy hook: `synology_dsm` for `deploy/synology_dsm.sh`."),
  record: absolutePath.describe(
    "File that remembers the last generation given to the program, so that an older one never follows; keep it " +
      "between runs. " +
      "`{certificate}` stands for the certificate's name. The hook's private directory is beside it while the " +
      "hook runs.",
  ),
  ...environmentOptions,
  timeout: durationOption("5m").describe("Time the hook may take before it is ended: 500ms, 30s, 2m."),
});

type AcmeShOptions = z.infer<typeof optionsSchema>;

export const acmeSh: Plugin<AcmeShOptions, DeployerDependencies, Deployer> = {
  type: "acme.sh",
  description:
    "Runs a deploy hook of your own acme.sh. Give the values that acme.sh would have saved in `environment` and " +
    "`secretEnvironment`.",
  options: optionsSchema,
  create: (options, dependencies) => ({
    deploy: (request, signal) => deploy(options, dependencies, request, signal),
    async preflight(certificate, _leaf, signal) {
      await checkProgramFiles(recordPlace(options, certificate), signal);
      await checkHook(options);
      await checkSecrets(options, dependencies);
    },
    untried: "what the hook does",
  }),
  occupies: (options, certificate) => [recordPlace(options, certificate).path],
};

/**
 * As acme.sh's own `_deploy` does it: acme.sh is sourced for the functions hooks build on (with no arguments it prints
 * its help), then the hook, whose function gets DOMAIN KEYFILE CERTFILE CAFILE FULLCHAINFILE (acme.sh wiki,
 * "deployhooks") and, as of 3.1.3, PFXFILE. Everything comes in through the environment, so that no value is ever read
 * as shell code.
 */
const DRIVER = `. "$_SCRIPT_HOME/acme.sh" >/dev/null || exit 1
_initpath "$Le_Domain" "$Le_Keylength" >/dev/null || exit 1
mkdir -p "$DOMAIN_PATH" || exit 1
. "$_SCRIPT_HOME/deploy/$RENEWD_HOOK.sh" || exit 1
"\${RENEWD_HOOK}_deploy" "$Le_Domain" "$CERT_KEY_PATH" "$CERT_PATH" "$CA_CERT_PATH" "$CERT_FULLCHAIN_PATH" "$CERT_PFX_PATH"`;

async function deploy(
  options: AcmeShOptions,
  dependencies: DeployerDependencies,
  { pair }: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  await checkHook(options);
  const env = await programEnvironment(options, dependencies, pair);
  const record = recordPlace(options, pair.certificate);
  await withProgramFiles({ pair, record }, signal, async (handed) => {
    const all = { HOME: handed.directory, ...env, ...acmeShEnvironment(options, handed, pair) };
    const name = `acme.sh deploy hook ${options.hook}`;
    await runCommand(
      { argv: ["sh", "-c", DRIVER], name, timeoutMs: options.timeout, env: all, givenKey: true },
      signal,
    );
  });
  return { generation: pair.generation, fingerprint: pair.leaf.fingerprint, hook: options.hook };
}

/**
 * Hooks save their values, passwords too, below LE_CONFIG_HOME: here that is the private directory, which is removed.
 */
function acmeShEnvironment(
  { home, hook }: AcmeShOptions,
  { directory, files }: ProgramFiles,
  { leaf }: IssuedCertificate,
): Record<string, string> {
  const [domain = "", ...others] = leaf.identifiers.map(({ value }) => value);
  return {
    RENEWD_HOOK: hook,
    _SCRIPT_HOME: home,
    LE_WORKING_DIR: directory,
    LE_CONFIG_HOME: directory,
    Le_Domain: domain,
    // acme.sh's way to say that there are none.
    Le_Alt: others.length === 0 ? "no" : others.join(","),
    Le_Keylength: keyLength(leaf.keyType),
    CERT_KEY_PATH: files.privkey,
    CERT_PATH: files.cert,
    CA_CERT_PATH: files.chain,
    CERT_FULLCHAIN_PATH: files.fullchain,
    CERT_PFX_PATH: join(directory, "cert.pfx"),
  };
}

/** acme.sh's `--keylength`: ec-256, 2048 … */
function keyLength(keyType: KeyType | null): string {
  return (keyType ?? "").replace("ecdsa-p", "ec-").replace("rsa-", "");
}

async function checkHook({ home, hook }: AcmeShOptions): Promise<void> {
  for (const path of [join(home, "acme.sh"), join(home, "deploy", `${hook}.sh`)]) {
    await access(path, constants.R_OK).catch((cause) => {
      throw new RenewalError(
        "deploy.refused",
        `${path} cannot be read: \`home\` must be the directory of your acme.sh, and \`hook\` one of its deploy hooks`,
        {
          cause,
        },
      );
    });
  }
}

function recordPlace({ record }: AcmeShOptions, certificate: string): { path: string; root: string } {
  return { path: resolveTargetPath(record, certificate), root: rootOf(record) };
}
