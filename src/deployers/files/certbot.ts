import { lstat } from "node:fs/promises";
import { basename, join } from "node:path";
import { z } from "zod";
import type { Deployer, DeployRequest } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { pairPem } from "../base/pairPem.ts";
import { type NameRule, nameOption } from "../base/resourceName.ts";
import { absolutePath, resolveTargetPath } from "../base/targetPath.ts";
import { COMMAND_LEFT_OUT, mayLeaveOut } from "../base/unchanged.ts";
import { type FileToWrite, stageFiles } from "../local/atomicFiles.ts";
import { checkDeployCommand, commandOptions, runDeployCommand, untriedCommand } from "../local/deployCommand.ts";
import { openDirectory } from "../local/directory.ts";
import { readRecord, recordFile } from "../local/generationFile.ts";
import { inspectFiles } from "../local/inspectFiles.ts";
import { modeOf, type Ownership, ownedFile, ownerOptions, ownershipOf } from "../local/owner.ts";
import { filesReceipt, withPairLock, withWritten } from "../local/pairFiles.ts";
import { tryStaging } from "../local/tryStaging.ts";
import { chooseNumber, fileName, LINEAGE, type LineageContents, pruneArchive } from "./certbotArchive.ts";
import { stageLinks } from "./certbotLinks.ts";

const LINEAGE_RULE: NameRule = {
  valid: /^[A-Za-z0-9_.*-]+$/,
  advice: "give a name without a slash, and not `.` or `..`",
  // resolveTargetPath has the rule for certificates' names.
  unknown: /(?!)/g,
};

const optionsSchema = z.strictObject({
  directory: absolutePath
    .refine((path) => !path.includes("{"), "must be one directory, without a placeholder")
    .default("/etc/letsencrypt")
    .describe("Directory that holds `live` and `archive`. It must exist."),
  lineage: nameOption(LINEAGE_RULE, "{certificate}").describe(
    "Name of the directory below `live` and `archive`. `{certificate}` stands for the certificate's name.",
  ),
  ...ownerOptions,
  ...commandOptions,
});

type CertbotOptions = z.infer<typeof optionsSchema>;

export const certbot: Plugin<CertbotOptions, DeployerDependencies, Deployer> = {
  type: "certbot",
  description:
    "Writes certbot's layout, live/NAME/fullchain.pem and its siblings as links into archive/NAME, then runs a " +
    "command if one is given.",
  options: optionsSchema,
  create: (options, { target }) => ({
    deploy: (request, signal) => deploy(options, target, request, signal),
    async preflight(certificate, _leaf, signal) {
      const at = placesOf(options, certificate);
      await refuseManaged(at);
      await tryLineage(at, await ownershipOf(options, signal), signal);
      await checkDeployCommand(options);
    },
    ...untriedCommand(options),
    async inspect(request) {
      const { live } = placesOf(options, request.certificate);
      const key = join(live, "privkey.pem");
      const pairs = [
        { certificate: join(live, "fullchain.pem"), key },
        { certificate: join(live, "cert.pem"), key, chain: join(live, "chain.pem") },
      ];
      return await inspectFiles(pairs, request, { first: key, mode: modeOf(options), reader: null });
    },
  }),
  occupies: (options, certificate) => [placesOf(options, certificate).live],
};

interface Places {
  readonly root: string;
  readonly live: string;
  readonly archive: string;
  /** Where certbot keeps its configuration of this lineage. */
  readonly renewal: string;
}

/**
 * As certbot does: write the four files under the next number in the archive, then swap each link to it. A reader in
 * between sees key and certificate of two generations; this layout cannot avoid that, `bundle` of `files` can. If the
 * process dies in between, the record refuses an older pair from then on, and the next attempt finds its files under
 * the highest number and swaps the remaining links.
 */
async function deploy(
  options: CertbotOptions,
  target: string,
  request: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  const { pair } = request;
  const { cert, chain, fullchain, privkey } = pairPem(pair);
  const at = placesOf(options, pair.certificate);
  const owned = await ownershipOf(options, signal);
  const first = { path: join(at.live, "privkey.pem"), root: at.root };
  const contents = { privkey, chain, cert, fullchain };
  const files = LINEAGE.map((kind) => ({
    path: join(at.live, `${kind}.pem`),
    secret: kind === "privkey",
    content: kind === "chain" ? "" : contents[kind],
  }));
  const { receipt, changed } = await withPairLock(pair, { first, files }, signal, async () => {
    await refuseManaged(at);
    return await write(at, pair, contents, owned, signal);
  });
  if (!changed && options.command !== undefined && mayLeaveOut(request, String(receipt.file)))
    return { ...receipt, note: COMMAND_LEFT_OUT };
  await runDeployCommand(options, { target, pair, paths: LINEAGE.map((kind) => join(at.live, `${kind}.pem`)) }, signal);
  return receipt;
}

async function write(
  at: Places,
  pair: IssuedCertificate,
  contents: LineageContents,
  ownership: Ownership,
  signal: AbortSignal,
): Promise<{ readonly receipt: DeployReceipt; readonly changed: boolean }> {
  await using archive = await openDirectory(at.archive, at.root);
  await using live = await openDirectory(at.live, at.root);
  const number = await chooseNumber(archive, contents);
  const files = LINEAGE.map((kind): FileToWrite => {
    const secret = kind === "privkey";
    const path = join(at.archive, fileName(kind, number));
    const replaces = join(at.live, `${kind}.pem`);
    return ownedFile({ path, root: at.root, content: contents[kind], secret, replaces }, ownership);
  });
  const first = { path: join(at.live, "privkey.pem"), root: at.root };
  const wanted = await withWritten(files, first.path, await readRecord(first.path));
  await using staged = await stageFiles(wanted, signal, (written) => recordFile(first, pair, written));
  await using links = await stageLinks(
    live,
    LINEAGE.map((kind) => ({
      name: `${kind}.pem`,
      target: `../../archive/${basename(at.archive)}/${fileName(kind, number)}`,
    })),
  );
  await staged.swap();
  await links.swap();
  await pruneArchive(archive, number);
  const receipt = filesReceipt(pair, join(at.live, "fullchain.pem"), staged.notes, [first.path]);
  // Earlier keys stay there.
  return { receipt: { ...receipt, archive: at.archive }, changed: staged.changed || links.changed };
}

/** For preflight: the key and the links of the lineage, up to the swap. */
async function tryLineage(at: Places, ownership: Ownership, signal: AbortSignal): Promise<void> {
  const key = {
    path: join(at.archive, "privkey0.pem"),
    root: at.root,
    secret: true,
    replaces: join(at.live, "privkey.pem"),
  };
  // The record is beside the links.
  await tryStaging(
    [ownedFile(key, ownership), { path: join(at.live, ".privkey.pem.renewd.json"), root: at.root, secret: false }],
    signal,
  );
  const exists = await lstat(at.live).catch(() => null);
  if (exists === null) return;
  await using live = await openDirectory(at.live, at.root);
  await using _links = await stageLinks(
    live,
    LINEAGE.map((kind) => ({
      name: `${kind}.pem`,
      target: `../../archive/${basename(at.archive)}/${fileName(kind, 0)}`,
    })),
  );
}

/** Two programs that renew one lineage undo each other. Certbot's file shows that certbot still renews it. */
async function refuseManaged({ renewal, live }: Places): Promise<void> {
  const found = await lstat(renewal).catch(() => null);
  if (found === null) return;
  throw new RenewalError(
    "deploy.refused",
    `certbot renews ${live} itself: ${renewal} exists. Remove that file or choose another \`lineage\`, ` +
      "so that only renewd renews it",
  );
}

function placesOf(options: CertbotOptions, certificate: string): Places {
  const path = (directory: string, end = ""): string =>
    resolveTargetPath(`${options.directory}/${directory}/${options.lineage}${end}`, certificate);
  return { root: options.directory, live: path("live"), archive: path("archive"), renewal: path("renewal", ".conf") };
}
