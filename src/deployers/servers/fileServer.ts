import { stat } from "node:fs/promises";
import type { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import { Secret } from "../../domain/secret.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { pairPem } from "../base/pairPem.ts";
import { mayLeaveOut } from "../base/unchanged.ts";
import type { FileToWrite } from "../local/atomicFiles.ts";
import type { Reader } from "../local/attributes.ts";
import { inspectFiles } from "../local/inspectFiles.ts";
import { type OwnerOptions, type Ownership, ownedFile, ownershipOf } from "../local/owner.ts";
import { filesReceipt, keyFilesOf, type PairFiles } from "../local/pairFiles.ts";
import { type PairLayout, type Place, placesOf } from "../local/pairLayout.ts";
import { tryStaging } from "../local/tryStaging.ts";
import { createBatches, type DeployInBatch } from "./batch.ts";
import type { ServerControl } from "./serverControl.ts";

const READER_SEARCH_MAX_MS = 5_000;

/** A kind of server that reads its pair from files, at its start and at a reload. */
export interface FileServer<Options extends PairLayout & OwnerOptions> {
  readonly type: string;
  readonly description: string;
  readonly options: z.ZodType<Options>;
  readonly control: (options: Options) => ServerControl;
  /** Left out: as the options `owner`, `group` and `mode` say. */
  readonly ownership?: (options: Options, signal: AbortSignal) => Promise<Ownership>;
}

export function fileServer<Options extends PairLayout & OwnerOptions>(
  server: FileServer<Options>,
): Plugin<Options, DeployerDependencies, Deployer> {
  return {
    type: server.type,
    description: server.description,
    // Workers that read the old files may answer until their last connection ends.
    reloads: true,
    options: server.options,
    create: (options) => ({
      deploy: deployTo(server, options),
      preflight: (certificate, _leaf, signal) => preflight(server, options, certificate, signal),
      inspect: (request, signal) => inspect(server, options, request, signal),
    }),
    occupies: (options, certificate) => placesOf(options, certificate).map(({ path }) => path),
  };
}

async function preflight<Options extends PairLayout & OwnerOptions>(
  server: FileServer<Options>,
  options: Options,
  certificate: string,
  signal: AbortSignal,
): Promise<void> {
  const places = placesOf(options, certificate);
  const control = server.control(options);
  const reader = (await control.reader?.(signal)) ?? null;
  const ownership = await ownershipFor(server, options, signal);
  await tryStaging(
    places.map(({ kind, path, root }) =>
      ownedFile({ path, root, secret: kind !== "fullchain", holdsPem: true }, ownership, reader),
    ),
    signal,
  );
  await control.check?.(signal);
  const areThere = await allThere(places);
  const paths = places.map(({ path }) => path);
  await control.judge?.({ secret: new Secret(""), paths }, signal).catch((error: unknown) => {
    // Before the first deploy the check may fail because these very files are missing.
    if (areThere || !isAbout(paths, error)) throw error;
  });
  if (areThere) await control.running?.(signal);
}

function isAbout(paths: readonly string[], error: unknown): boolean {
  if (!(error instanceof RenewalError) || error.code !== "deploy.commandFailed") return false;
  return paths.some((path) => error.message.includes(path));
}

async function inspect<Options extends PairLayout & OwnerOptions>(
  server: FileServer<Options>,
  options: Options,
  request: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair | null> {
  const reader = (await server.control(options).reader?.(signal)) ?? null;
  const places = placesOf(options, request.certificate);
  const key = places.find(({ kind }) => kind !== "fullchain")?.path;
  const certificate = places.find(({ kind }) => kind !== "privkey")?.path;
  if (key === undefined || certificate === undefined) return null;
  const { mode } = await ownershipFor(server, options, signal);
  return await inspectFiles([{ certificate, key }], request, { first: places[0]?.path ?? key, mode, reader });
}

/** One line of batches for all certificates of the target: they share the server, its check and its reload. */
function deployTo<Options extends PairLayout & OwnerOptions>(
  server: FileServer<Options>,
  options: Options,
): Deployer["deploy"] {
  const control = server.control(options);
  const shared = { server, options, deployInBatch: createBatches(control), findReader: shareReader(control) };
  return (request, signal) => deploy(shared, request, signal);
}

interface Shared<Options extends PairLayout & OwnerOptions> {
  readonly server: FileServer<Options>;
  readonly options: Options;
  readonly deployInBatch: DeployInBatch;
  readonly findReader: () => Promise<Reader | null>;
}

/** Deploys that come together look for the server's process once. A search that takes too long finds nobody. */
function shareReader(control: ServerControl): Shared<PairLayout>["findReader"] {
  let search: Promise<Reader | null> | null = null;
  const find = async (): Promise<Reader | null> => {
    try {
      return (await control.reader?.(AbortSignal.timeout(READER_SEARCH_MAX_MS))) ?? null;
    } catch {
      return null;
    } finally {
      search = null;
    }
  };
  return () => {
    search ??= find();
    return search;
  };
}

async function deploy<Options extends PairLayout & OwnerOptions>(
  shared: Shared<Options>,
  request: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  signal.throwIfAborted();
  const { pair } = request;
  const files = await filesOf(shared, pair, signal);
  const onlyIfChanged = mayLeaveOut(request, files[0].path);
  const notes = await shared.deployInBatch({ pair, files, onlyIfChanged }, signal);
  return filesReceipt(pair, files[0].path, notes, keyFilesOf(files));
}

async function filesOf<Options extends PairLayout & OwnerOptions>(
  { server, options, findReader }: Shared<Options>,
  pair: IssuedCertificate,
  signal: AbortSignal,
): Promise<PairFiles["files"]> {
  const pem = pairPem(pair);
  const ownership = await ownershipFor(server, options, signal);
  const reader = await findReader();
  signal.throwIfAborted();
  const [first, ...rest] = placesOf(options, pair.certificate).map(({ kind, path, root }): FileToWrite => {
    const secret = kind !== "fullchain";
    return ownedFile({ path, root, content: pem[kind], secret }, ownership, reader);
  });
  if (first === undefined) throw new TypeError(`${server.type}: the options name no file`);
  return [first, ...rest];
}

async function ownershipFor<Options extends PairLayout & OwnerOptions>(
  server: FileServer<Options>,
  options: Options,
  signal: AbortSignal,
): Promise<Ownership> {
  return await (server.ownership ?? ownershipOf)(options, signal);
}

async function allThere(places: readonly Place[]): Promise<boolean> {
  const found = await Promise.all(places.map(({ path }) => stat(path).catch(() => null)));
  return !found.includes(null);
}
