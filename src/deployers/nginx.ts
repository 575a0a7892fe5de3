import { z } from "zod";
import type { Deployer, DeployRequest } from "../domain/deployer.ts";
import type { DeployReceipt } from "../domain/deployment.ts";
import type { Plugin } from "../domain/plugin.ts";
import type { FileToWrite } from "./atomicFiles.ts";
import { checkCommand, runCommand } from "./command.ts";
import type { DeployerDependencies } from "./dependencies.ts";
import { durationOption } from "./duration.ts";
import { checkWritable, withStagedPair } from "./pairFiles.ts";
import { pairPem } from "./pairPem.ts";
import { absolutePath, resolveTargetPath, rootOf } from "./targetPath.ts";

const options = z
  .strictObject({
    fullchain: absolutePath.optional().describe("File that `ssl_certificate` names. `{certificate}` stands for the certificate's name."),
    privkey: absolutePath.optional().describe("File that `ssl_certificate_key` names."),
    bundle: absolutePath
      .optional()
      .describe(
        "One file that both `ssl_certificate` and `ssl_certificate_key` name, in place of the two above: a single rename swaps key and certificate together.",
      ),
    binary: z.string().min(1).max(1024).default("nginx").describe("nginx program: a path, or a name looked up in PATH."),
    configFile: absolutePath.optional().describe("nginx's `-c`, when the running nginx was started with one."),
    prefix: z.string().startsWith("/").max(1024).optional().describe("nginx's `-p`, when the running nginx was started with one."),
    timeout: durationOption("30s").describe("Time `nginx -t` and `nginx -s reload` may take each: 500ms, 30s, 2m."),
  })
  .refine((o) => (o.bundle === undefined) !== (o.fullchain === undefined) && (o.fullchain === undefined) === (o.privkey === undefined), {
    message: "give either `fullchain` and `privkey`, or `bundle`",
  })
  .refine((o) => o.fullchain === undefined || o.fullchain !== o.privkey, { message: "`fullchain` and `privkey` are the same file: use `bundle`" });

type NginxOptions = z.infer<typeof options>;

export const nginx: Plugin<NginxOptions, DeployerDependencies, Deployer> = {
  type: "nginx",
  description: "Writes the pair nginx reads, lets `nginx -t` judge it, and reloads.",
  options,
  create: (made) => ({
    deploy: (request, signal) => deploy(made, request, signal),
    async preflight(certificate, _leaf, _signal) {
      // Not `nginx -t`: before the first deploy it fails for want of the very files we are to write.
      await checkWritable(places(made, certificate));
      await checkCommand(made.binary);
    },
  }),
  occupies: (made, certificate) => places(made, certificate).map(({ path }) => path),
};

/**
 * `nginx -t` reads the real paths, so it can judge only after the swap; what it refuses goes back before anyone reloads. The
 * running nginx reads the files at a reload only. Should we die in between, the new pair, which is a matching one, stays, and
 * the next attempt tests and reloads again. A reload's exit code says only that the signal was sent: the verifier has the word.
 */
async function deploy(made: NginxOptions, { pair }: DeployRequest, signal: AbortSignal): Promise<DeployReceipt> {
  const pem = pairPem(pair);
  const [first, ...rest] = places(made, pair.certificate).map(
    ({ kind, path, root }): FileToWrite => ({ path, root, content: pem[kind], secret: kind !== "fullchain" }),
  );
  if (first === undefined) throw new TypeError("nginx: the options name no file");
  const run = (...args: string[]): Promise<string> =>
    runCommand({ argv: [made.binary, ...instance(made), ...args], timeoutMs: made.timeout, secret: pair.privateKey }, signal);
  await withStagedPair({ pair, files: [first, ...rest] }, signal, async (staged) => {
    await staged.swap();
    try {
      await run("-q", "-t");
    } catch (error) {
      await staged.restore();
      throw error;
    }
  });
  await run("-s", "reload");
  return { generation: pair.generation, fingerprint: pair.leaf.fingerprint, file: first.path };
}

/** The arguments that make `nginx` mean the running instance. */
function instance({ configFile, prefix }: NginxOptions): string[] {
  return [...(prefix === undefined ? [] : ["-p", prefix]), ...(configFile === undefined ? [] : ["-c", configFile])];
}

interface Place {
  readonly kind: "privkey" | "fullchain" | "bundle";
  readonly path: string;
  readonly root: string;
}

function places(made: NginxOptions, certificate: string): Place[] {
  const kinds = ["privkey", "fullchain", "bundle"] as const;
  return kinds.flatMap((kind) => {
    const pattern = made[kind];
    return pattern === undefined ? [] : [{ kind, path: resolveTargetPath(pattern, certificate), root: rootOf(pattern) }];
  });
}
