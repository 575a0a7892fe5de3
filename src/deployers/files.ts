import { z } from "zod";
import type { Deployer, DeployRequest } from "../domain/deployer.ts";
import type { DeployReceipt } from "../domain/deployment.ts";
import type { Plugin } from "../domain/plugin.ts";
import type { IssuedCertificate } from "../domain/version.ts";
import type { FileToWrite } from "./atomicFiles.ts";
import type { DeployerDependencies } from "./dependencies.ts";
import { checkDeployCommand, commandOptions, runDeployCommand } from "./deployCommand.ts";
import { type Kind, LAYOUT, patterns, places } from "./filesLayout.ts";
import { checkTool, makeKeystores } from "./keystore.ts";
import { ownerOptions, ownershipOf } from "./owner.ts";
import { checkWritable, withStagedPair } from "./pairFiles.ts";
import { pairPem } from "./pairPem.ts";
import { secretOption } from "./secretOption.ts";
import { relativePath } from "./targetPath.ts";

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
    bundle: relativePath.optional().describe("File for key, certificate and chain together. The only PEM layout no reader can ever see torn."),
    pkcs12: relativePath.optional().describe("PKCS#12 file (.p12, .pfx) for key, certificate and chain, under the certificate's name. Made by `openssl`."),
    jks: relativePath.optional().describe("Java keystore (JKS) for the same. Made by `openssl` and `keytool`, which come with a Java runtime."),
    password: secretOption.optional().describe("Where the password of `pkcs12` and `jks` is found, `env:NAME` or `file:/path`. Read at each deploy."),
    legacy: z.boolean().default(false).describe("Encrypt the `pkcs12` file with RC2, 3DES and SHA-1, for readers older than OpenSSL 1.1 or Java 8u301."),
    ...ownerOptions,
    ...commandOptions,
  })
  .refine((o) => LAYOUT.some((kind) => o[kind] !== undefined), { message: `name at least one of ${LAYOUT.join(", ")}` })
  .refine((o) => o.directory !== undefined || LAYOUT.every((kind) => o[kind] === undefined || o[kind].startsWith("/")), {
    message: "paths must be absolute unless `directory` is given",
  })
  .refine((o) => new Set(patterns(o).map(({ pattern }) => pattern)).size === patterns(o).length, { message: "two of the paths are the same file" })
  .refine((o) => (o.pkcs12 === undefined && o.jks === undefined) === (o.password === undefined), {
    message: "`pkcs12` and `jks` need a `password`, and nothing else does",
  });

type FilesOptions = z.infer<typeof options>;

export const files: Plugin<FilesOptions, DeployerDependencies, Deployer> = {
  type: "files",
  description: "Writes PEM, PKCS#12 or Java keystore files atomically, then runs a command if one is given.",
  options,
  create: (made, dependencies) => ({
    deploy: (request, signal) => deploy(made, dependencies, request, signal),
    async preflight(certificate, _leaf, signal) {
      await ownershipOf(made, signal);
      await checkWritable(places(made, certificate));
      if (made.password !== undefined) {
        await dependencies.secret(made.password);
        await checkTool("openssl");
      }
      if (made.jks !== undefined) await checkTool("keytool");
      await checkDeployCommand(made);
    },
  }),
  occupies: (made, certificate) => places(made, certificate).map(({ path }) => path),
};

async function deploy(made: FilesOptions, dependencies: DeployerDependencies, { pair }: DeployRequest, signal: AbortSignal): Promise<DeployReceipt> {
  const contents = await contentsOf(made, dependencies, pair, signal);
  const { mode, ...owner } = await ownershipOf(made, signal);
  const [first, ...rest] = places(made, pair.certificate).map(
    ({ kind, path, root, secret }): FileToWrite => ({ path, root, secret, content: contents[kind], ...owner, ...(secret && mode !== undefined && { mode }) }),
  );
  if (first === undefined) throw new TypeError("files: the options name no file");
  await withStagedPair({ pair, files: [first, ...rest] }, signal, (staged) => staged.swap());
  const paths = [first, ...rest].map(({ path }) => path);
  await runDeployCommand(made, { target: dependencies.target, pair, paths }, signal);
  return { generation: pair.generation, fingerprint: pair.leaf.fingerprint, file: first.path };
}

/** Throws `deploy.badPair` before anything else. */
async function contentsOf(
  made: FilesOptions,
  dependencies: DeployerDependencies,
  pair: IssuedCertificate,
  signal: AbortSignal,
): Promise<Readonly<Record<Kind, string | Uint8Array>>> {
  const pem = pairPem(pair);
  if (made.password === undefined) return { ...pem, pkcs12: "", jks: "" };
  const password = await dependencies.secret(made.password);
  const { pkcs12, jks } = await makeKeystores(pair, pem, { password, legacy: made.legacy, jks: made.jks !== undefined }, signal);
  return { ...pem, pkcs12, jks: jks ?? "" };
}
