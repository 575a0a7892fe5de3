import { z } from "zod";
import type { Deployer, DeployRequest } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import type { ErrorCode } from "../../domain/errorTable.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { durationOption } from "../base/duration.ts";
import { absolutePath, resolveTargetPath, rootOf } from "../base/targetPath.ts";
import { checkCommand, runCommand } from "../local/command.ts";
import { checkSecrets, environmentOptions, programEnvironment } from "./programEnvironment.ts";
import { checkProgramFiles, withProgramFiles } from "./programFiles.ts";

/**
 * Three codes of sysexits.h, which shells and mail servers use. Any other code except 0 is a failure that is retried.
 */
const EXIT_CODES: Readonly<Record<number, ErrorCode>> = {
  // EX_TEMPFAIL: not now. It uses up no attempt.
  75: "deploy.rateLimited",
  // EX_NOPERM
  77: "deploy.forbidden",
  // EX_CONFIG: never again before something changes.
  78: "deploy.refused",
};

const optionsSchema = z.strictObject({
  command: z
    .tuple([z.string().min(1).max(4096)], z.string().max(4096))
    .describe(
      "Program and arguments that install the pair, without a shell. Its environment: PATH, HOME, LANG, TZ, " +
        "RENEWD_TARGET, RENEWD_CERTIFICATE, RENEWD_NAMES " +
        "(separated by spaces), RENEWD_GENERATION, RENEWD_FINGERPRINT, and the paths of PEM files that are " +
        "removed afterwards: RENEWD_CERT, RENEWD_CHAIN, " +
        "RENEWD_FULLCHAIN, RENEWD_PRIVKEY. It may be run twice for one pair. Exit code 0: done; 75: not now; " +
        "77: not permitted; 78: refused, do not try again; " +
        "any other: failed, try again. Its output is never shown, as it can read the key: only its length is.",
    ),
  record: absolutePath.describe(
    "File that remembers the last generation given to the program, so that an older one never follows; keep it " +
      "between runs. " +
      "`{certificate}` stands for the certificate's name. The pair's files are beside it while the program " +
      "runs, readable by renewd's user only.",
  ),
  ...environmentOptions,
  timeout: durationOption("1m").describe("Time the program may take before it is ended: 500ms, 30s, 2m."),
});

type ExecOptions = z.infer<typeof optionsSchema>;

export const exec: Plugin<ExecOptions, DeployerDependencies, Deployer> = {
  type: "exec",
  description: "Gives the pair to your own program.",
  options: optionsSchema,
  create: (options, dependencies) => ({
    deploy: (request, signal) => deploy(options, dependencies, request, signal),
    async preflight(certificate, _leaf, signal) {
      await checkProgramFiles(recordPlace(options, certificate), signal);
      await checkCommand(options.command[0]);
      await checkSecrets(options, dependencies);
    },
    untried: "what the program does",
  }),
  occupies: (options, certificate) => [recordPlace(options, certificate).path],
};

async function deploy(
  options: ExecOptions,
  dependencies: DeployerDependencies,
  { pair }: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  const env = await programEnvironment(options, dependencies, pair);
  const record = recordPlace(options, pair.certificate);
  await withProgramFiles({ pair, record }, signal, async ({ files }) => {
    const paths = {
      RENEWD_CERT: files.cert,
      RENEWD_CHAIN: files.chain,
      RENEWD_FULLCHAIN: files.fullchain,
      RENEWD_PRIVKEY: files.privkey,
    };
    await runCommand(
      {
        argv: options.command,
        timeoutMs: options.timeout,
        env: { ...env, ...paths },
        givenKey: true,
        exitCodes: EXIT_CODES,
      },
      signal,
    );
  });
  return { generation: pair.generation, fingerprint: pair.leaf.fingerprint, record: record.path };
}

function recordPlace({ record }: ExecOptions, certificate: string): { path: string; root: string } {
  return { path: resolveTargetPath(record, certificate), root: rootOf(record) };
}
