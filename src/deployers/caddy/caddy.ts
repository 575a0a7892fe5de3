import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import { Secret } from "../../domain/secret.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { durationOption } from "../base/duration.ts";
import { pairPem } from "../base/pairPem.ts";
import { socketOption } from "../base/secretUrl.ts";
import { absolutePath, placeOf, resolveTargetPath } from "../base/targetPath.ts";
import { sharedControlProcess } from "../local/controlSocket.ts";
import { inspectFiles } from "../local/inspectFiles.ts";
import { modeOf, ownedFile, ownerOptions, ownershipOf } from "../local/owner.ts";
import { filesReceipt, withStagedPair } from "../local/pairFiles.ts";
import { runningReader } from "../local/reader.ts";
import { tryStaging } from "../local/tryStaging.ts";
import { type CaddyAdmin, loadedFiles, names, reloadFile } from "./admin.ts";

const optionsSchema = z.strictObject({
  admin: socketOption
    .default("localhost:2019")
    .describe(
      "Caddy's admin API: host:port of this machine, or the path of its UNIX socket. A reload keeps open connections. On Linux it " +
        "resets a few that are just being opened, unless `net.ipv4.tcp_migrate_req` is 1.",
    ),
  file: absolutePath.describe(
    "PEM file for key, certificate and chain. Caddy's configuration names it twice, as `tls FILE FILE` in a " +
      "Caddyfile. `{certificate}` stands for the certificate's name.",
  ),
  knownAs: absolutePath
    .optional()
    .describe("Caddy's own name for the file, if it differs (container). `{certificate}` as above."),
  addEntry: z
    .boolean()
    .default(false)
    .describe(
      "Add the file to Caddy's running configuration (`apps.tls.certificates.load_files`) if no entry names it. A " +
        "restart of Caddy keeps such an entry only under `caddy run --resume`.",
    ),
  ...ownerOptions,
  timeout: durationOption("30s").describe(
    "Longest time for one answer of the admin API, including a reload: 500ms, 30s, 2m.",
  ),
});

type CaddyOptions = z.infer<typeof optionsSchema>;

export const caddy: Plugin<CaddyOptions, DeployerDependencies, Deployer> = {
  type: "caddy",
  description: "Writes the PEM file that Caddy's configuration names, and makes Caddy read it through the admin API.",
  options: optionsSchema,
  create: (options) => ({
    deploy: (request, signal) => deploy(options, request, signal),
    preflight: (certificate, _leaf, signal) => preflight(options, certificate, signal),
    inspect: (request, signal) => inspect(options, request, signal),
    // Caddy answers the admin API when the new configuration serves and the old one has stopped listening.
    server: sharedControlProcess(options.admin, ["caddy"]),
  }),
  occupies: (options, certificate) => [placeOf(options.file, certificate).path],
};

async function preflight(options: CaddyOptions, certificate: string, signal: AbortSignal): Promise<void> {
  const file = { ...placeOf(options.file, certificate), secret: true, holdsPem: true };
  const reader = await runningReader({ programs: ["caddy"] }, signal);
  await tryStaging([ownedFile(file, await ownershipOf(options, signal), reader)], signal);
  const found = await loadedFiles(adminOf(options), signal);
  const known = resolveTargetPath(options.knownAs ?? options.file, certificate);
  if (!options.addEntry && !names(found, known)) throw notNamed(options, known);
}

/**
 * A file rather than `load_pem`: the admin API shows the configuration and Caddy saves it, so it must not hold the key,
 * and a restart from the Caddyfile must serve the new pair. One file for both, so no reader gets a key and a
 * certificate that do not match. If Caddy says that it cannot load the pair, the old file comes back. If Caddy says
 * nothing (abort, time limit), the new pair stays for the next attempt: its key and certificate match.
 */
async function deploy(options: CaddyOptions, { pair }: DeployRequest, signal: AbortSignal): Promise<DeployReceipt> {
  const { bundle } = pairPem(pair);
  const file = ownedFile(
    { ...placeOf(options.file, pair.certificate), content: bundle, secret: true },
    await ownershipOf(options, signal),
    await runningReader({ programs: ["caddy"] }, signal),
  );
  const known = resolveTargetPath(options.knownAs ?? options.file, pair.certificate);
  return await withStagedPair({ pair, files: [file] }, signal, async (staged) => {
    const found = await loadedFiles(adminOf(options), signal);
    await staged.swap();
    if (!options.addEntry && !names(found, known)) throw notNamed(options, known);
    try {
      const entry = { id: `renewd-${pair.certificate}`, file: known, secret: new Secret(bundle) };
      await reloadFile(adminOf(options), found, entry, signal);
    } catch (error) {
      // Another file that is missing may be to blame. Without a first file Caddy cannot load its configuration either.
      if (error instanceof RenewalError && error.code === "deploy.commandFailed" && !staged.first)
        await staged.restore();
      throw error;
    }
    return filesReceipt(pair, file.path, staged.notes);
  });
}

async function inspect(
  options: CaddyOptions,
  request: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair | null> {
  const { path } = placeOf(options.file, request.certificate);
  const reader = await runningReader({ programs: ["caddy"] }, signal);
  const rules = { first: path, mode: modeOf(options), reader };
  return await inspectFiles([{ certificate: path, key: path }], request, rules);
}

function notNamed({ admin }: CaddyOptions, known: string): RenewalError {
  return new RenewalError(
    "deploy.refused",
    `the configuration of Caddy at ${admin} does not name ${known}. Once the file is in place, write \`tls ${known} ` +
      `${known}\` into the site's block and reload Caddy, or set \`addEntry: true\` if Caddy runs with --resume`,
  );
}

function adminOf({ admin, timeout }: CaddyOptions): CaddyAdmin {
  return { address: admin, timeoutMs: timeout };
}
