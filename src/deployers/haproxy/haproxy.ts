import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import type { Plugin } from "../../domain/plugin.ts";
import { Secret } from "../../domain/secret.ts";
import { splitPem } from "../../x509/pem.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { durationOption } from "../base/duration.ts";
import { pairPem } from "../base/pairPem.ts";
import { absolutePath, resolveTargetPath, rootOf } from "../base/targetPath.ts";
import type { Reader } from "../local/attributes.ts";
import { withForeignBlocks } from "../local/foreignBlocks.ts";
import { inspectFiles, readIfThere } from "../local/inspectFiles.ts";
import { ownedFile, ownerOptions, ownershipOf } from "../local/owner.ts";
import { checkWritable, filesReceipt, withStagedPair } from "../local/pairFiles.ts";
import { runningReader } from "../local/reader.ts";
import { listCertificate } from "./list.ts";
import { type RuntimeAddress, requireAdmin, showCertificate, showPid } from "./runtime.ts";
import { sha1Of, updateMemory } from "./update.ts";

/** HAProxy's CLI splits at spaces and gives `;`, `\` and `*` a special meaning. */
const commandSafe = absolutePath.regex(/^[^\s;\\*#]+$/, "must not contain spaces or any of ; \\ * #");

const optionsSchema = z
  .strictObject({
    socket: z
      .string()
      .max(255)
      .regex(/^(\/\P{Cc}+|[A-Za-z0-9.-]+:\d{1,5}|\[[0-9a-fA-F:.]+\]:\d{1,5})$/u, "give an absolute path or host:port")
      .describe(
        "HAProxy's `stats socket` at level admin: a path, or host:port. host:port sends private keys unencrypted: " +
          "use it on loopback only.",
      ),
    file: commandSafe.describe(
      "PEM file with key, certificate and chain that HAProxy loads. `{certificate}` stands for the certificate's name.",
    ),
    knownAs: commandSafe
      .optional()
      .describe(
        "HAProxy's own name for the file, if it differs (container, chroot, relative `crt-base`). `{certificate}` " +
          "as above.",
      ),
    crtList: commandSafe
      .optional()
      .describe(
        "crt-list file, or directory that a bind's `crt` names, to which certificates new to HAProxy are added. " +
          "Default: the file's own directory.",
      ),
    crtListEntry: z
      .string()
      .max(1024)
      .regex(
        /^(\[[A-Za-z0-9 .,:_@/-]*\])?( ?!?[A-Za-z0-9.*_-]+)*$/,
        "give what follows the file in a crt-list line, such as `[alpn h2] www.example.com`",
      )
      .optional()
      .describe(
        "What follows the file on its line in `crtList`: options in brackets, then server names. Default: nothing, " +
          "which means the certificate's own names.",
      ),
    ...ownerOptions,
    timeout: durationOption("10s").describe("Longest time for one answer of the socket: 500ms, 30s, 2m."),
  })
  .refine((o) => o.crtListEntry === undefined || o.crtList !== undefined, {
    message: "`crtListEntry` is part of a line in `crtList`: set that too",
  });

type HaproxyOptions = z.infer<typeof optionsSchema>;

export const haproxy: Plugin<HaproxyOptions, DeployerDependencies, Deployer> = {
  type: "haproxy",
  visibility: "atOnce",
  description:
    "Swaps the certificate in a running HAProxy without a reload, and in the file that HAProxy reads at its next " +
    "start.",
  options: optionsSchema,
  create: (options) => ({
    deploy: (request, signal) => deploy(options, request, signal),
    async preflight(certificate, _leaf, signal) {
      await ownershipOf(options, signal);
      await checkWritable([{ path: resolveTargetPath(options.file, certificate), root: rootOf(options.file) }]);
      await requireAdmin(addressOf(options), signal);
    },
    inspect: (request, signal) => inspect(options, request, signal),
  }),
  occupies: (options, certificate) => [resolveTargetPath(options.file, certificate)],
};

/**
 * Memory first, file second. HAProxy reads the file at its next reload or start, and a file that it cannot load stops
 * the whole load balancer. So only a pair that HAProxy has accepted is written there. The file is staged before, so
 * only a rename can still fail. If this process dies before the rename, memory has the new pair and the file the old
 * one; both are good. The next attempt finds the new pair in memory and renames.
 */
async function deploy(options: HaproxyOptions, { pair }: DeployRequest, signal: AbortSignal): Promise<DeployReceipt> {
  const pem = pairPem(pair);
  const path = resolveTargetPath(options.file, pair.certificate);
  const name = resolveTargetPath(options.knownAs ?? options.file, pair.certificate);
  const file = ownedFile(
    { path, root: rootOf(options.file), content: pem.bundle, secret: true },
    await ownershipOf(options, signal),
    await haproxyReader(options, signal),
  );
  return await withStagedPair({ pair, files: [file] }, signal, async (staged) => {
    // DH parameters of the file in place belong into memory too.
    const { content } = await withForeignBlocks(file);
    const update = { name, sha1: sha1Of(pem.cert), bundle: content.toString() };
    const { used } = await updateMemory(addressOf(options), update, signal);
    await staged.swap();
    const list = listFor(options, pair.certificate);
    const listing = { name, list, entry: options.crtListEntry, used, secret: new Secret(update.bundle) };
    await listCertificate(addressOf(options), listing, signal);
    return filesReceipt(pair, path, staged.notes);
  });
}

/** The file, and whether HAProxy's memory holds the same certificate. */
async function inspect(
  options: HaproxyOptions,
  request: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair | null> {
  const path = resolveTargetPath(options.file, request.certificate);
  // A HAProxy that does not answer may be down because of this very file.
  const reader = await haproxyReader(options, signal).catch(() => null);
  signal.throwIfAborted();
  const held = await inspectFiles([{ certificate: path, key: path }], request, reader);
  const problem = await memoryProblem(options, request.certificate, signal);
  return held === null || problem === null ? held : { ...held, problems: [...held.problems, problem] };
}

/** null: memory and file hold the same certificate, or one of them holds none. */
async function memoryProblem(
  options: HaproxyOptions,
  certificate: string,
  signal: AbortSignal,
): Promise<string | null> {
  const path = resolveTargetPath(options.file, certificate);
  const name = resolveTargetPath(options.knownAs ?? options.file, certificate);
  const loaded = await showCertificate(addressOf(options), name, signal).catch(() => null);
  signal.throwIfAborted();
  const [leafPem] = splitPem((await readIfThere(path)) ?? "");
  if (leafPem === undefined || loaded === null || loaded.sha1 === sha1Of(leafPem)) return null;
  return `HAProxy has another certificate in memory as ${name} than the file ${path} holds`;
}

/** HAProxy may have several processes here; the socket names the right one. */
async function haproxyReader(options: HaproxyOptions, signal: AbortSignal): Promise<Reader | null> {
  const pid = await showPid(addressOf(options), signal);
  return pid === null ? null : await runningReader({ programs: ["haproxy"], pid }, signal);
}

function listFor({ crtList }: HaproxyOptions, certificate: string): string | null {
  return crtList === undefined ? null : resolveTargetPath(crtList, certificate);
}

function addressOf(options: HaproxyOptions): RuntimeAddress {
  return { socket: options.socket, timeoutMs: options.timeout };
}
