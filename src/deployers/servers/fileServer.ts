import { access } from "node:fs/promises";
import type { z } from "zod";
import type { Deployer, DeployRequest } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { Secret } from "../../domain/secret.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { pairPem } from "../base/pairPem.ts";
import type { FileToWrite } from "../local/atomicFiles.ts";
import type { Ownership } from "../local/owner.ts";
import { checkWritable, withStagedPair } from "../local/pairFiles.ts";
import { type PairLayout, type Place, placesOf } from "../local/pairLayout.ts";

/** How a server is checked and reloaded. `secret` is the new private key, which is never shown. */
export interface ServerControl {
  /** Throws what would make a reload impossible in any state of the server. Changes nothing. */
  check?(signal: AbortSignal): Promise<void>;
  /** Throws when it does not run. Called only once it has a pair: many servers cannot start without one. */
  running?(signal: AbortSignal): Promise<void>;
  /** Throws what the server's own check says against the files now in place. Left out: it has no check. */
  judge?(secret: Secret, signal: AbortSignal): Promise<void>;
  /** Resolves when the server has read the files, where that can be known. */
  reload(secret: Secret, signal: AbortSignal): Promise<void>;
}

/** A kind of server that reads its pair from files, at its start and at each reload. */
export interface FileServer<Options extends PairLayout> {
  readonly type: string;
  readonly description: string;
  readonly options: z.ZodType<Options>;
  readonly control: (options: Options) => ServerControl;
  /** Whom the files belong to. Left out: whom they belong to today, else renewd's own user. */
  readonly ownership?: (options: Options, signal: AbortSignal) => Promise<Ownership>;
}

export function fileServer<Options extends PairLayout>(
  server: FileServer<Options>,
): Plugin<Options, DeployerDependencies, Deployer> {
  return {
    type: server.type,
    description: server.description,
    options: server.options,
    create: (options) => ({
      deploy: (request, signal) => deploy(server, options, request, signal),
      preflight: (certificate, _leaf, signal) => preflight(server, options, certificate, signal),
    }),
    occupies: (options, certificate) => placesOf(options, certificate).map(({ path }) => path),
  };
}

async function preflight<Options extends PairLayout>(
  server: FileServer<Options>,
  options: Options,
  certificate: string,
  signal: AbortSignal,
): Promise<void> {
  const places = placesOf(options, certificate);
  const control = server.control(options);
  await server.ownership?.(options, signal);
  await checkWritable(places);
  await control.check?.(signal);
  // Not `judge`: before the first deploy it fails because the files do not exist yet.
  if (await isThere(places)) await control.running?.(signal);
}

/**
 * A server's check reads the real paths, so it runs after the swap; what it refuses goes back before the reload. The
 * running server reads the files at a reload only. If the process dies in between, the new pair stays, which is a
 * matching one, and the next attempt checks and reloads again. A reload without error proves little: the verifier
 * decides.
 */
async function deploy<Options extends PairLayout>(
  server: FileServer<Options>,
  options: Options,
  { pair }: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  const pem = pairPem(pair);
  const control = server.control(options);
  const { mode, ...owner } = (await server.ownership?.(options, signal)) ?? {};
  const [first, ...rest] = placesOf(options, pair.certificate).map(({ kind, path, root }): FileToWrite => {
    const secret = kind !== "fullchain";
    return { path, root, content: pem[kind], secret, ...owner, ...(secret && mode !== undefined && { mode }) };
  });
  if (first === undefined) throw new TypeError(`${server.type}: the options name no file`);
  await withStagedPair({ pair, files: [first, ...rest] }, signal, async (staged) => {
    await staged.swap();
    try {
      await control.judge?.(pair.privateKey, signal);
    } catch (error) {
      await staged.restore();
      throw error;
    }
    // Still under the lock: a server that opens certificate and key one after the other must not do so during the next
    // swap.
    await control.reload(pair.privateKey, signal);
  });
  return { generation: pair.generation, fingerprint: pair.leaf.fingerprint, file: first.path };
}

async function isThere([first]: readonly Place[]): Promise<boolean> {
  if (first === undefined) return false;
  return await access(first.path).then(
    () => true,
    () => false,
  );
}
