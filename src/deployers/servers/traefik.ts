import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { pairPem } from "../base/pairPem.ts";
import { absolutePath, placeOf, resolveTargetPath } from "../base/targetPath.ts";
import type { FileToWrite } from "../local/atomicFiles.ts";
import { inspectFiles } from "../local/inspectFiles.ts";
import { modeOf, ownedFile, ownerOptions, ownershipOf } from "../local/owner.ts";
import { filesReceipt, withStagedPair } from "../local/pairFiles.ts";
import { runningReader } from "../local/reader.ts";
import { readIfThere } from "../local/readRegular.ts";
import { tryStaging } from "../local/tryStaging.ts";

/** The first line of renewd's files, so that it overwrites no other. */
const MARK = "# Written by renewd";

const optionsSchema = z.strictObject({
  file: absolutePath.describe(
    "PEM file for key, certificate and chain; not in the directory Traefik watches. `{certificate}` stands for the " +
      "certificate's name.",
  ),
  knownAs: absolutePath
    .optional()
    .describe("The same file as Traefik sees it, when that differs (container). `{certificate}` as above."),
  dynamicFile: absolutePath
    .regex(/\.ya?ml$/, "must end in .yml or .yaml, or Traefik does not read it")
    .describe(
      "YAML file for this certificate alone, written by renewd, in the directory that Traefik's file provider " +
        "watches (`providers.file.directory`). `{certificate}` as above.",
    ),
  ...ownerOptions,
});

type TraefikOptions = z.infer<typeof optionsSchema>;

export const traefik: Plugin<TraefikOptions, DeployerDependencies, Deployer> = {
  type: "traefik",
  reloads: true,
  description: "Writes the PEM file, then the dynamic configuration that names it, which is what Traefik watches.",
  options: optionsSchema,
  create: (options) => ({
    deploy: (request, signal) => deploy(options, request, signal),
    async preflight(certificate, _leaf, signal) {
      await refuseForeign(placeOf(options.dynamicFile, certificate).path);
      const file = { ...placeOf(options.file, certificate), secret: true, holdsPem: true };
      const reader = await runningReader({ programs: ["traefik"] }, signal);
      const bundle = ownedFile(file, await ownershipOf(options, signal), reader);
      await tryStaging([bundle, { ...placeOf(options.dynamicFile, certificate), secret: false }], signal);
    },
    inspect: (request, signal) => inspect(options, request, signal),
  }),
  occupies: (options, certificate) =>
    [options.file, options.dynamicFile].map((pattern) => placeOf(pattern, certificate).path),
};

/**
 * Traefik reads certificate files only with the dynamic configuration that names them, and reads that only when a file
 * changes there (https://doc.traefik.io/traefik/providers/file/#watch). So the PEM file comes first and the YAML last.
 * The YAML is renamed each time: the attempt that changed the PEM file may have died before it. Traefik ignores a
 * configuration with the same content, files included. One PEM file for both, so that no read can be torn.
 */
async function deploy(options: TraefikOptions, { pair }: DeployRequest, signal: AbortSignal): Promise<DeployReceipt> {
  const pem = pairPem(pair);
  const dynamic = placeOf(options.dynamicFile, pair.certificate);
  await refuseForeign(dynamic.path);
  const known = resolveTargetPath(options.knownAs ?? options.file, pair.certificate);
  const bundle = ownedFile(
    { ...placeOf(options.file, pair.certificate), content: pem.bundle, secret: true },
    await ownershipOf(options, signal),
    await runningReader({ programs: ["traefik"] }, signal),
  );
  const yaml: FileToWrite = { ...dynamic, content: dynamicConfiguration(pair, known), secret: false, always: true };
  return await withStagedPair({ pair, files: [bundle, yaml] }, signal, async (staged) => {
    await staged.swap();
    return filesReceipt(pair, bundle.path, staged.notes);
  });
}

/** Traefik starts without the pair when the YAML file that names it is missing. */
async function inspect(
  options: TraefikOptions,
  request: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair | null> {
  const { path } = placeOf(options.file, request.certificate);
  const dynamic = placeOf(options.dynamicFile, request.certificate).path;
  const reader = await runningReader({ programs: ["traefik"] }, signal);
  const rules = { first: path, mode: modeOf(options), reader };
  const found = await inspectFiles([{ certificate: path, key: path }], request, rules);
  const known = resolveTargetPath(options.knownAs ?? options.file, request.certificate);
  const names = (await readIfThere(dynamic))?.includes(JSON.stringify(known)) === true;
  if (found === null || names) return found;
  return { ...found, problems: [...found.problems, `${dynamic} is missing or does not name ${known}`] };
}

/** A JSON string is a YAML string too. `{{` would be a Go template, but paths hold no braces. */
function dynamicConfiguration({ certificate, generation, leaf }: IssuedCertificate, known: string): string {
  const file = JSON.stringify(known);
  const held = `certificate ${certificate}, generation ${generation}, fingerprint ${leaf.fingerprint}`;
  return `${MARK}, which will overwrite it: ${held}
tls:
  certificates:
    - certFile: ${file}
      keyFile: ${file}
`;
}

async function refuseForeign(path: string): Promise<void> {
  const text = await readIfThere(path).catch(() => null);
  if (text === null || text.startsWith(MARK)) return;
  throw new RenewalError(
    "deploy.refused",
    `${path} was not written by renewd, so it stays; let \`dynamicFile\` name a file of renewd's own`,
  );
}
