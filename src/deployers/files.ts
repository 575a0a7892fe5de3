import { join } from "node:path";
import { z } from "zod";
import type { Deployer, DeployRequest } from "../domain/deployer.ts";
import type { DeployReceipt } from "../domain/deployment.ts";
import type { Plugin } from "../domain/plugin.ts";
import type { IssuedCertificate } from "../domain/version.ts";
import type { FileToWrite } from "./atomicFiles.ts";
import { checkCommand, runCommand } from "./command.ts";
import type { DeployerDependencies } from "./dependencies.ts";
import { durationOption } from "./duration.ts";
import { numericId } from "./owner.ts";
import { checkWritable, withStagedPair } from "./pairFiles.ts";
import { type PairPem, pairPem } from "./pairPem.ts";
import { relativePath, resolveTargetPath, rootOf } from "./targetPath.ts";

/** In the order they are swapped: the key first, so that whoever watches a certificate file finds its key already there. */
const LAYOUT = ["privkey", "chain", "cert", "fullchain", "bundle"] as const satisfies readonly (keyof PairPem)[];

const name = z.string().regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}$/, "must be a name or a number");

const options = z
  .strictObject({
    directory: relativePath
      .refine((path) => path.startsWith("/"), "must be absolute")
      .optional()
      .describe("Absolute directory the paths below are relative to. It must exist, up to the first `{certificate}`."),
    fullchain: relativePath.optional().describe("File for the certificate followed by its chain. `{certificate}` stands for the certificate's name."),
    privkey: relativePath.optional().describe("File for the private key (PKCS#8)."),
    chain: relativePath.optional().describe("File for the chain without the certificate."),
    cert: relativePath.optional().describe("File for the certificate alone."),
    bundle: relativePath.optional().describe("File for key, certificate and chain together. The only layout no reader can ever see torn."),
    owner: name.optional().describe("User name or id the files belong to. Default: as today, else renewd's own."),
    group: name.optional().describe("Group name or id the files belong to. Default: as today, else renewd's own."),
    mode: z
      .string()
      .regex(/^0?[0-7]{2}0$/, "give octal digits such as 0640; others may have no access to a private key")
      .optional()
      .describe("Mode of the files that hold the private key, such as 0640. Default: as today, else 0600. Files without it are 0644."),
    command: z
      .tuple([z.string().min(1).max(4096)], z.string().max(4096))
      .optional()
      .describe(
        "Program and arguments run after the files are in place, without a shell, for example to reload a server. Also run when they were in place already. " +
          "Its environment: PATH, HOME, LANG, TZ, RENEWD_TARGET, RENEWD_CERTIFICATE, RENEWD_GENERATION, RENEWD_FINGERPRINT, RENEWD_FILES (one path per line).",
      ),
    commandTimeout: durationOption("1m").describe("Time the command may take before it is ended: 500ms, 30s, 2m."),
  })
  .refine((o) => LAYOUT.some((kind) => o[kind] !== undefined), { message: "name at least one of fullchain, privkey, chain, cert, bundle" })
  .refine((o) => o.directory !== undefined || LAYOUT.every((kind) => o[kind] === undefined || o[kind].startsWith("/")), {
    message: "paths must be absolute unless `directory` is given",
  })
  .refine((o) => new Set(patterns(o).map(({ pattern }) => pattern)).size === patterns(o).length, { message: "two of the paths are the same file" });

type FilesOptions = z.infer<typeof options>;

export const files: Plugin<FilesOptions, DeployerDependencies, Deployer> = {
  type: "files",
  description: "Writes PEM files atomically, then runs a command if one is given.",
  options,
  create: (made, { target }) => ({
    deploy: (request, signal) => deploy(made, target, request, signal),
    async preflight(certificate, _leaf, signal) {
      if (made.owner !== undefined) await numericId("passwd", made.owner, signal);
      if (made.group !== undefined) await numericId("group", made.group, signal);
      await checkWritable(places(made, certificate));
      if (made.command !== undefined) await checkCommand(made.command[0]);
    },
  }),
  occupies: (made, certificate) => places(made, certificate).map(({ path }) => path),
};

async function deploy(made: FilesOptions, target: string, { pair }: DeployRequest, signal: AbortSignal): Promise<DeployReceipt> {
  const pem = pairPem(pair);
  const uid = made.owner === undefined ? undefined : await numericId("passwd", made.owner, signal);
  const gid = made.group === undefined ? undefined : await numericId("group", made.group, signal);
  const [first, ...rest] = places(made, pair.certificate).map(({ kind, path, root }): FileToWrite => {
    const secret = kind === "privkey" || kind === "bundle";
    const mode = secret ? made.mode : undefined;
    return {
      path,
      root,
      content: pem[kind],
      secret,
      ...(mode && { mode: Number.parseInt(mode, 8) }),
      ...(uid !== undefined && { uid }),
      ...(gid !== undefined && { gid }),
    };
  });
  if (first === undefined) throw new TypeError("files: the options name no file");
  await withStagedPair({ pair, files: [first, ...rest] }, signal, (staged) => staged.swap());
  // Also when nothing changed: the attempt that swapped may have died before this.
  if (made.command !== undefined) {
    const env = environment(target, pair, [first, ...rest]);
    await runCommand({ argv: made.command, timeoutMs: made.commandTimeout, env, secret: pair.privateKey }, signal);
  }
  return { generation: pair.generation, fingerprint: pair.leaf.fingerprint, file: first.path };
}

function environment(target: string, pair: IssuedCertificate, written: readonly FileToWrite[]): Record<string, string> {
  return {
    RENEWD_TARGET: target,
    RENEWD_CERTIFICATE: pair.certificate,
    RENEWD_GENERATION: String(pair.generation),
    RENEWD_FINGERPRINT: pair.leaf.fingerprint,
    RENEWD_FILES: written.map(({ path }) => path).join("\n"),
  };
}

interface Place {
  readonly kind: (typeof LAYOUT)[number];
  readonly path: string;
  readonly root: string;
}

function places(made: FilesOptions, certificate: string): Place[] {
  return patterns(made).map(({ kind, pattern }) => ({
    kind,
    path: resolveTargetPath(pattern, certificate),
    root: rootOf(made.directory === undefined ? pattern : `${made.directory}/x`),
  }));
}

function patterns(made: { directory?: string | undefined } & { [kind in Place["kind"]]?: string | undefined }): { kind: Place["kind"]; pattern: string }[] {
  return LAYOUT.flatMap((kind) => {
    const path = made[kind];
    if (path === undefined) return [];
    return [{ kind, pattern: made.directory === undefined ? path : join(made.directory, path) }];
  });
}
