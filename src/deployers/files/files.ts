import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import type { Plugin } from "../../domain/plugin.ts";
import { Secret } from "../../domain/secret.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { isAsDeployed, leastHealthy } from "../base/installedPair.ts";
import { pairPem } from "../base/pairPem.ts";
import { type NameRule, nameOption, resolveName } from "../base/resourceName.ts";
import { secretOption } from "../base/secretOption.ts";
import { relativePath } from "../base/targetPath.ts";
import { COMMAND_LEFT_OUT, mayLeaveOut } from "../base/unchanged.ts";
import { checkDeployCommand, commandOptions, runDeployCommand, untriedCommand } from "../local/deployCommand.ts";
import {
  checkedLayout,
  type Kind,
  LAYOUT,
  layoutFiles,
  pairPaths,
  pathsOf,
  pemLayoutOptions,
  places,
} from "../local/filesLayout.ts";
import { readRecord } from "../local/generationFile.ts";
import { inspectFiles, modeProblems } from "../local/inspectFiles.ts";
import { modeOf, ownedFile, ownerOptions, ownershipOf } from "../local/owner.ts";
import { filesReceipt, keyFilesOf, withStagedPair } from "../local/pairFiles.ts";
import { tryStaging } from "../local/tryStaging.ts";
import { inspectKeystores } from "./inspectKeystores.ts";
import { type KeystoreOptions, makeKeystores, tryKeystores } from "./keystore.ts";

const ALIAS_RULE: NameRule = {
  valid: /^[A-Za-z0-9_][A-Za-z0-9_. -]{0,254}$/,
  advice: "an alias has letters, digits, spaces and _ . -",
  unknown: /(?!)/g,
};

const optionsSchema = checkedLayout(
  z.strictObject({
    ...pemLayoutOptions,
    pkcs12: relativePath
      .optional()
      .describe("PKCS#12 file (.p12, .pfx) for key, certificate and chain. Created by `openssl`."),
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
    alias: nameOption(ALIAS_RULE, "{certificate}").describe(
      "Alias (friendly name) of the pair in `pkcs12` and `jks`. `{certificate}` stands for the certificate's name. A " +
        "Java keystore knows no capital letters.",
    ),
    ...ownerOptions,
    adopt: ownerOptions.adopt.describe(
      "Whether a file is overwritten whose content cannot be kept. PEM: renewd's user cannot read it, it holds several " +
        "private keys, or it holds no pair and renewd did not write it. `pkcs12` and `jks`: `password` does not open it, " +
        "or there is no `keytool` for its other entries. Default: it is refused.",
    ),
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
    preflight: (certificate, _leaf, signal) => preflight(options, dependencies, certificate, signal),
    ...untriedCommand(options),
    inspect: (request, signal) => inspect(options, dependencies, request, signal),
  }),
  occupies: pathsOf,
};

async function preflight(
  options: FilesOptions,
  dependencies: DeployerDependencies,
  certificate: string,
  signal: AbortSignal,
): Promise<void> {
  const ownership = await ownershipOf(options, signal);
  await tryStaging(
    places(options, certificate).map(({ kind, path, root, secret }) =>
      ownedFile({ path, root, secret, holdsPem: kind !== "pkcs12" && kind !== "jks" }, ownership),
    ),
    signal,
  );
  if (options.password !== undefined) {
    const keystores = await keystoreOptions(options, dependencies, { certificate, previous: null });
    await tryKeystores(keystores, signal);
  }
  await checkDeployCommand(options);
}

async function deploy(
  options: FilesOptions,
  dependencies: DeployerDependencies,
  request: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  const { pair } = request;
  const { kept, ...contents } = await contentsOf(options, dependencies, request, signal);
  const written = layoutFiles(options, pair.certificate, contents, await ownershipOf(options, signal));
  const first = written[0].path;
  const { receipt, unchanged } = await withStagedPair({ pair, files: written }, signal, async (staged) => {
    await staged.swap();
    const unchanged = !staged.changed && options.command !== undefined && mayLeaveOut(request, first);
    const notes = [...staged.notes, ...(unchanged ? [COMMAND_LEFT_OUT] : [])];
    return {
      receipt: { ...filesReceipt(pair, first, notes, keyFilesOf(written)), ...(kept > 0 && { keptEntries: kept }) },
      unchanged,
    };
  });
  if (unchanged) return receipt;
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
  const all = places(options, request.certificate);
  const rules = { first: all[0]?.path ?? "", mode: modeOf(options), reader: null };
  const found = await inspectFiles(pairPaths(options, request.certificate), request, rules);
  const inStores = await heldInKeystores(options, dependencies, request.certificate, signal).catch((error: unknown) => {
    // What cannot be asked must not hide what is wrong beside it.
    if (found === null || isAsDeployed(found, request.previous?.fingerprint)) throw error;
    return [];
  });
  const held = leastHealthy([...(found === null ? [] : [found]), ...inStores], request.previous?.fingerprint);
  if (held === null) return null;
  const wide = await modeProblems(
    all.filter(({ secret }) => secret).map(({ path }) => path),
    rules,
  );
  return { ...held, problems: [...new Set([...held.problems, ...wide])] };
}

async function heldInKeystores(
  options: FilesOptions,
  dependencies: DeployerDependencies,
  certificate: string,
  signal: AbortSignal,
): Promise<readonly InstalledPair[]> {
  if (options.password === undefined) return [];
  const paths = new Map(places(options, certificate).map(({ kind, path }) => [kind, path]));
  const stores = { pkcs12: paths.get("pkcs12"), jks: paths.get("jks") };
  const password = await dependencies.secret(options.password);
  const alias = resolveName(options.alias, certificate, ALIAS_RULE);
  return await inspectKeystores(stores, { password, legacy: options.legacy, alias }, signal);
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
  const keystores = await keystoreOptions(options, dependencies, { certificate: pair.certificate, previous });
  const { pkcs12, jks, kept } = await makeKeystores(new Secret(pem.bundle), keystores, signal);
  return { ...pem, pkcs12, ...(jks !== null && { jks }), kept };
}

async function keystoreOptions(
  options: FilesOptions,
  dependencies: DeployerDependencies,
  { certificate, previous }: InspectRequest,
): Promise<KeystoreOptions> {
  if (options.password === undefined) throw new TypeError("a keystore without a password");
  const files = places(options, certificate);
  const pathOf = (wanted: Kind): string | null => files.find(({ kind }) => kind === wanted)?.path ?? null;
  const written = files[0] === undefined ? null : await readRecord(files[0].path);
  return {
    password: await dependencies.secret(options.password),
    alias: resolveName(options.alias, certificate, ALIAS_RULE),
    legacy: options.legacy,
    adopt: options.adopt,
    stores: { pkcs12: pathOf("pkcs12"), jks: pathOf("jks") },
    // The operator may change the password of a store that holds nothing else.
    isOwn: written !== null && previous?.keptEntries === undefined,
  };
}
