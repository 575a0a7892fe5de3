import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { leastHealthy } from "../base/installedPair.ts";
import { pairPem } from "../base/pairPem.ts";
import { secretOption } from "../base/secretOption.ts";
import { relativePath } from "../base/targetPath.ts";
import { checkDeployCommand, commandOptions, runDeployCommand } from "../local/deployCommand.ts";
import { checkedLayout, type Kind, LAYOUT, layoutFiles, pemLayoutOptions, places } from "../local/filesLayout.ts";
import { readRecord } from "../local/generationFile.ts";
import { inspectFiles } from "../local/inspectFiles.ts";
import { ownerOptions, ownershipOf } from "../local/owner.ts";
import { checkWritable, filesReceipt, withStagedPair } from "../local/pairFiles.ts";
import { inspectKeystores } from "./inspectKeystores.ts";
import { checkTool, makeKeystores } from "./keystore.ts";

const optionsSchema = checkedLayout(
  z.strictObject({
    ...pemLayoutOptions,
    pkcs12: relativePath
      .optional()
      .describe(
        "PKCS#12 file (.p12, .pfx) for key, certificate and chain, under the certificate's name. Created by `openssl`.",
      ),
    jks: relativePath
      .optional()
      .describe("Java keystore (JKS) for the same. Created by `openssl` and `keytool`, part of a Java runtime."),
    password: secretOption
      .optional()
      .describe("Where the password of `pkcs12` and `jks` is found, `env:NAME` or `file:/path`. Read at each deploy."),
    legacy: z
      .boolean()
      .default(false)
      .describe(
        "Encrypt the `pkcs12` file with RC2, 3DES and SHA-1, for readers older than OpenSSL 1.1 or Java 8u301.",
      ),
    adopt: z
      .boolean()
      .default(false)
      .describe(
        "Whether a `pkcs12` or `jks` file is overwritten whose other entries cannot be kept: `password` does not " +
          "open it, or there is no `keytool`. Default: it is refused.",
      ),
    ...ownerOptions,
    ...commandOptions,
  }),
  LAYOUT,
).refine((o) => (o.pkcs12 === undefined && o.jks === undefined) === (o.password === undefined), {
  message: "`pkcs12` and `jks` need a `password`, and nothing else does",
});

type FilesOptions = z.infer<typeof optionsSchema>;

export const files: Plugin<FilesOptions, DeployerDependencies, Deployer> = {
  type: "files",
  description: "Writes PEM, PKCS#12 or Java keystore files atomically, then runs a command if one is given.",
  options: optionsSchema,
  create: (options, dependencies) => ({
    deploy: (request, signal) => deploy(options, dependencies, request, signal),
    async preflight(certificate, _leaf, signal) {
      await ownershipOf(options, signal);
      await checkWritable(places(options, certificate));
      if (options.password !== undefined) {
        await dependencies.secret(options.password);
        await checkTool("openssl");
      }
      if (options.jks !== undefined) await checkTool("keytool");
      await checkDeployCommand(options);
    },
    inspect: (request, signal) => inspect(options, dependencies, request, signal),
  }),
  occupies: (options, certificate) => places(options, certificate).map(({ path }) => path),
};

async function deploy(
  options: FilesOptions,
  dependencies: DeployerDependencies,
  request: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  const { pair } = request;
  const { kept, ...contents } = await contentsOf(options, dependencies, request, signal);
  const written = layoutFiles(options, pair.certificate, contents, await ownershipOf(options, signal));
  const receipt = await withStagedPair({ pair, files: written }, signal, async (staged) => {
    await staged.swap();
    return { ...filesReceipt(pair, written[0].path, staged.notes), ...(kept > 0 && { keptEntries: kept }) };
  });
  await runDeployCommand(
    options,
    { target: dependencies.target, pair, paths: written.map(({ path }) => path) },
    signal,
  );
  return receipt;
}

/** null: a key alone says nothing. */
async function inspect(
  options: FilesOptions,
  dependencies: DeployerDependencies,
  request: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair | null> {
  const paths = new Map(places(options, request.certificate).map(({ kind, path }) => [kind, path]));
  const pairs = (["fullchain", "cert", "bundle"] as const).flatMap((kind) => {
    const certificate = paths.get(kind);
    const key = kind === "bundle" ? certificate : (paths.get("privkey") ?? paths.get("bundle"));
    return certificate === undefined ? [] : [{ certificate, key }];
  });
  const found = await inspectFiles(pairs, request, null);
  if (options.password === undefined) return found;
  const stores = { pkcs12: paths.get("pkcs12"), jks: paths.get("jks") };
  const { legacy } = options;
  const password = await dependencies.secret(options.password);
  const inStores = await inspectKeystores(stores, { password, legacy, alias: request.certificate }, signal);
  return leastHealthy([...(found === null ? [] : [found]), ...inStores], request.previous?.fingerprint);
}

/** Throws `deploy.badPair` before anything else. */
async function contentsOf(
  options: FilesOptions,
  dependencies: DeployerDependencies,
  { pair, previous }: DeployRequest,
  signal: AbortSignal,
): Promise<Readonly<Partial<Record<Kind, string | Uint8Array>>> & { readonly kept: number }> {
  const pem = pairPem(pair);
  if (options.password === undefined) return { ...pem, kept: 0 };
  const password = await dependencies.secret(options.password);
  const files = places(options, pair.certificate);
  const pathOf = (wanted: Kind): string | null => files.find(({ kind }) => kind === wanted)?.path ?? null;
  const written = files[0] === undefined ? null : await readRecord(files[0].path);
  const { pkcs12, jks, kept } = await makeKeystores(
    pair,
    pem,
    {
      ...{ password, legacy: options.legacy, adopt: options.adopt },
      stores: { pkcs12: pathOf("pkcs12"), jks: pathOf("jks") },
      // The operator may change the password of a store that holds nothing else.
      isOwn: written !== null && previous?.keptEntries === undefined,
    },
    signal,
  );
  return { ...pem, pkcs12, ...(jks !== null && { jks }), kept };
}
