import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair, ServerRequest } from "../../domain/deployer.ts";
import type { Plugin } from "../../domain/plugin.ts";
import { Secret } from "../../domain/secret.ts";
import { splitPem } from "../../x509/pem.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { durationOption } from "../base/duration.ts";
import { pairPem } from "../base/pairPem.ts";
import { socketOption } from "../base/secretUrl.ts";
import { absolutePath, relativePath, resolveTargetPath, rootOf } from "../base/targetPath.ts";
import type { FileToWrite, StagedFiles } from "../local/atomicFiles.ts";
import { sharedControlProcess } from "../local/controlSocket.ts";
import { inspectFiles } from "../local/inspectFiles.ts";
import { modeOf, ownedFile, ownerOptions, ownershipOf } from "../local/owner.ts";
import { filesReceipt, withStagedPair } from "../local/pairFiles.ts";
import { readIfThere } from "../local/readRegular.ts";
import { tryStaging } from "../local/tryStaging.ts";
import { listCertificate, requireList } from "./list.ts";
import { createFindReader, type FindReader } from "./reader.ts";
import { createRivals } from "./rivals.ts";
import { COMMAND_SAFE, type RuntimeAddress, showCertificate, showCertificateAsAdmin, showServing } from "./runtime.ts";
import { sha1Of, updateMemory } from "./update.ts";

/** HAProxy's CLI splits at spaces and gives `;`, `\` and `*` a special meaning. */
const commandSafe = absolutePath.regex(COMMAND_SAFE, "must not contain spaces or any of ; \\ * #");
/** A name that HAProxy itself may have as a relative one. */
const haproxyName = relativePath.regex(COMMAND_SAFE, "must not contain spaces or any of ; \\ * #");

const optionsSchema = z
  .strictObject({
    socket: socketOption.describe(
      "HAProxy's `stats socket` at level admin: a path, or host:port of this machine, as it carries private keys " +
        "unencrypted.",
    ),
    file: commandSafe.describe(
      "PEM file with key, certificate and chain that HAProxy loads. `{certificate}` stands for the certificate's name.",
    ),
    knownAs: haproxyName
      .optional()
      .describe(
        "HAProxy's own name for the file, if it differs (container, chroot, relative `crt-base`), as `show ssl cert` " +
          "prints it. `{certificate}` as above.",
      ),
    crtList: haproxyName
      .optional()
      .describe(
        "crt-list file, or directory that a bind's `crt` names, to which certificates new to HAProxy are added, as " +
          "`show ssl crt-list` prints it. Default: the file's own directory.",
      ),
    crtListFile: absolutePath
      .optional()
      .describe("Where `crtList` is on this machine, if HAProxy's name for it is relative or another one."),
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
  })
  .refine((o) => o.crtList === undefined || o.crtList.startsWith("/") || o.crtListFile !== undefined, {
    message: "`crtList` is relative: say in `crtListFile` where it is",
  });

type HaproxyOptions = z.infer<typeof optionsSchema>;

export const haproxy: Plugin<HaproxyOptions, DeployerDependencies, Deployer> = {
  type: "haproxy",
  description:
    "Swaps the certificate in a running HAProxy without a reload, and in the file that HAProxy reads at its next " +
    "start.",
  options: optionsSchema,
  create: (options) => {
    const control = sharedControlProcess(options.socket, ["haproxy"]);
    const rivals = createRivals(addressOf(options));
    const reader = createFindReader(addressOf(options));
    return {
      async deploy(request, signal) {
        const { pair } = request;
        const { path, notes } = await deploy(options, request, reader, signal);
        // HAProxy serves the pair: the next deployment need not wait for this.
        const others = await rivals({ name: knownName(options, pair.certificate), pair }, signal);
        return filesReceipt(pair, path, [...notes, ...others]);
      },
      preflight: (certificate, _leaf, signal) => preflight(options, certificate, reader, signal),
      inspect: (request, signal) => inspect(options, request, reader, signal),
      server: async (request, signal) => server(options, await control(), request, signal),
    };
  },
  occupies: (options, certificate) => [resolveTargetPath(options.file, certificate)],
};

async function preflight(
  options: HaproxyOptions,
  certificate: string,
  reader: FindReader,
  signal: AbortSignal,
): Promise<void> {
  const address = addressOf(options);
  const path = resolveTargetPath(options.file, certificate);
  const file = { path, root: rootOf(options.file), secret: true, holdsPem: true };
  const ownership = await ownershipOf(options, signal);
  const name = knownName(options, certificate);
  const loaded = await showCertificateAsAdmin(address, name, signal);
  await tryStaging([ownedFile(file, ownership, await reader(signal))], signal, { files: [path] });
  if (loaded?.used !== true) await requireList(address, { name, list: listFor(options, certificate) }, signal);
}

interface Written {
  readonly path: string;
  readonly notes: readonly string[];
}

/**
 * Memory first, file second. HAProxy reads the file at its next reload or start, and a file that it cannot load stops
 * the whole load balancer. So only a pair that HAProxy has accepted is written there. The file is staged before, so
 * only a rename can still fail. If this process dies before the rename, memory has the new pair and the file the old
 * one; both are good. The next attempt finds the new pair in memory and renames.
 */
async function deploy(
  options: HaproxyOptions,
  { pair }: DeployRequest,
  reader: FindReader,
  signal: AbortSignal,
): Promise<Written> {
  const pem = pairPem(pair);
  const path = resolveTargetPath(options.file, pair.certificate);
  const name = knownName(options, pair.certificate);
  const file = ownedFile(
    { path, root: rootOf(options.file), content: pem.bundle, secret: true },
    await ownershipOf(options, signal),
    await reader(signal),
  );
  const swap = async (staged: StagedFiles, [{ content } = file]: readonly FileToWrite[]): Promise<Written> => {
    // With DH parameters of the file in place: they belong into memory too.
    const update = { name, sha1: sha1Of(pem.cert), bundle: content.toString() };
    const { used } = await updateMemory(addressOf(options), update, signal);
    await staged.swap();
    const list = listFor(options, pair.certificate);
    const listFile =
      options.crtListFile === undefined ? list : resolveTargetPath(options.crtListFile, pair.certificate);
    const listing = { name, list, listFile, entry: options.crtListEntry, used, secret: new Secret(update.bundle) };
    await listCertificate(addressOf(options), listing, signal);
    return { path, notes: staged.notes };
  };
  // Swaps of other files do not disturb this one.
  return withStagedPair({ pair, files: [file] }, signal, swap, { files: [path] });
}

/** The file, and whether HAProxy's memory holds the same certificate. */
async function inspect(
  options: HaproxyOptions,
  request: InspectRequest,
  findReader: FindReader,
  signal: AbortSignal,
): Promise<InstalledPair | null> {
  const path = resolveTargetPath(options.file, request.certificate);
  // A HAProxy that does not answer may be down because of this very file.
  const reader = await findReader(signal).catch(() => null);
  signal.throwIfAborted();
  const rules = { first: path, mode: modeOf(options), reader };
  const held = await inspectFiles([{ certificate: path, key: path }], request, rules);
  const problem = await memoryProblem(options, request.certificate, signal);
  return held === null || problem === null ? held : { ...held, problems: [...held.problems, problem] };
}

/**
 * `set ssl cert` replaces the pair at every bind of the process at once. Which process that is, the kernel tells, and
 * HAProxy itself: a number alone may be that of another process in a container. Where TLS is handed through, who holds
 * a connection is not who answers.
 */
async function server(
  options: HaproxyOptions,
  control: number | null,
  { certificate, leafPem }: ServerRequest,
  signal: AbortSignal,
): Promise<number | null> {
  if (control === null) return null;
  const { pid, loaded, mayHandThrough } = await showServing(
    addressOf(options),
    knownName(options, certificate),
    signal,
  );
  if (mayHandThrough) return null;
  return pid === control && loaded?.used === true && loaded.sha1 === sha1Of(leafPem) ? pid : null;
}

/** null: memory and file hold the same certificate, or one of them holds none. */
async function memoryProblem(
  options: HaproxyOptions,
  certificate: string,
  signal: AbortSignal,
): Promise<string | null> {
  const path = resolveTargetPath(options.file, certificate);
  const name = knownName(options, certificate);
  const loaded = await showCertificate(addressOf(options), name, signal).catch(() => null);
  signal.throwIfAborted();
  const [leafPem] = splitPem((await readIfThere(path)) ?? "");
  if (leafPem === undefined || loaded === null || loaded.sha1 === sha1Of(leafPem)) return null;
  return `HAProxy has another certificate in memory as ${name} than the file ${path} holds`;
}

function knownName({ knownAs, file }: HaproxyOptions, certificate: string): string {
  return nameIn(knownAs ?? file, certificate);
}

function listFor({ crtList }: HaproxyOptions, certificate: string): string | null {
  return crtList === undefined ? null : nameIn(crtList, certificate);
}

/** A relative name stays relative: HAProxy compares it as a text. */
function nameIn(pattern: string, certificate: string): string {
  const path = resolveTargetPath(pattern, certificate);
  return pattern.startsWith("/") ? path : path.slice(1);
}

function addressOf(options: HaproxyOptions): RuntimeAddress {
  return { socket: options.socket, timeoutMs: options.timeout };
}
