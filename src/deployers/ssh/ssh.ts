import { z } from "zod";
import type { Deployer, DeployRequest } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { keyFileMembers } from "../../domain/leftTarget.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { durationOption } from "../base/duration.ts";
import { type GenerationRecord, refuseOlder, writtenCertificates, writtenMode } from "../base/generationRecord.ts";
import { pairPem } from "../base/pairPem.ts";
import { secretOption } from "../base/secretOption.ts";
import { COMMAND_LEFT_OUT, mayLeaveOut } from "../base/unchanged.ts";
import { untriedCommand } from "../local/deployCommand.ts";
import { checkedLayout, layoutFiles, PEM_LAYOUT, pairPaths, pemLayoutOptions, places } from "../local/filesLayout.ts";
import { holdsPair, recordFile, recordPath } from "../local/generationFile.ts";
import { modeOf, ownedFile, ownerOptions } from "../local/owner.ts";
import { keyFilesOf } from "../local/pairFiles.ts";
import { askTool, runRemote } from "./command.ts";
import { connectSsh, type SshConnection } from "./connection.ts";
import { hostKeyOption } from "./hostKey.ts";
import { inspectRemote, readRemoteRecord } from "./inspectRemote.ts";
import type { RemoteMachine } from "./remoteAccess.ts";
import { requireReplace, stageRemoteFiles, tryRemoteStaging } from "./remoteFiles.ts";
import { remoteOwnership } from "./remoteOwner.ts";
import { openSftp, type Sftp } from "./sftp.ts";

const optionsSchema = checkedLayout(
  z.strictObject({
    host: z
      .string()
      .regex(/^[A-Za-z0-9_.:-]{1,253}$/, "give a host name or an address")
      .describe("Name or address of the machine."),
    port: z.int().min(1).max(65_535).default(22).describe("Port of its SSH server."),
    user: z
      .string()
      .regex(/^[^\p{Cc}\s]{1,64}$/u, "give a user name")
      .describe("User to log in as. This user must be able to write to the directories."),
    hostKey: hostKeyOption,
    privateKey: secretOption.optional().describe("Private key to log in with (OpenSSH or PEM)."),
    passphrase: secretOption.optional().describe("Passphrase of `privateKey`, if it has one."),
    password: secretOption.optional().describe("Password to log in with, instead of a key."),
    agentSocket: z
      .string()
      .startsWith("/", "must be absolute")
      .max(1024)
      .optional()
      .describe("Socket of an ssh-agent that holds the key, instead of `privateKey`."),
    ...pemLayoutOptions,
    owner: ownerOptions.owner.describe(
      "User name or id, on the target, that the files belong to. Default: as the file it replaces has it, else `user`. " +
        "Only root can give files to another user. Names are looked up in the target's /etc/passwd.",
    ),
    group: ownerOptions.group.describe(
      "Group name or id, on the target, that the files belong to. Default: as the file it replaces has it, else the group " +
        "of `user`, who must be a member of it. Names are looked up in the target's /etc/group.",
    ),
    mode: ownerOptions.mode,
    adopt: ownerOptions.adopt,
    command: z
      .tuple([word(1)], word(0))
      .optional()
      .describe(
        "Program and arguments to run on the machine after the files are in place, for example to reload a server. " +
          "Each word is quoted for a POSIX shell. If it fails, the previous files come back; those of a first pair, " +
          "which has no previous files, stay. Without it, SFTP is " +
          "enough, and the account needs no shell.",
      ),
    commandTimeout: durationOption("1m").describe("Longest time for the command, which is ended then: 500ms, 30s, 2m."),
    timeout: durationOption("30s").describe(
      "Longest time for the login, and for each request after it: 500ms, 30s, 2m.",
    ),
  }),
  PEM_LAYOUT,
)
  .refine((o) => [o.privateKey, o.password, o.agentSocket].filter((one) => one !== undefined).length === 1, {
    message: "give one of `privateKey`, `password` and `agentSocket`",
  })
  .refine((o) => o.passphrase === undefined || o.privateKey !== undefined, {
    message: "`passphrase` needs `privateKey`",
  });

function word(charsMin: number): z.ZodType<string> {
  return z
    .string()
    .min(charsMin)
    .max(4096)
    .refine((text) => !text.includes("\0"), "must not contain a NUL");
}

type SshOptions = z.infer<typeof optionsSchema>;

export const ssh: Plugin<SshOptions, DeployerDependencies, Deployer> = {
  type: "ssh",
  description: "Writes PEM files to another machine by SFTP, atomically, then runs a command there if one is set.",
  options: optionsSchema,
  create: (options, dependencies) => ({
    deploy: (request, signal) => deploy(options, dependencies, request, signal),
    async preflight(certificate, _leaf, signal) {
      await using connection = await login(options, dependencies, signal);
      const sftp = await openSftp(connection, signal);
      const ownership = await remoteOwnership(sftp, options, signal);
      const files = places(options, certificate).map(({ path, root, secret }) =>
        ownedFile({ path, root, secret }, ownership),
      );
      await requireReplace(sftp, files[0]?.root ?? "/", signal);
      const record = await readRemoteRecord(sftp, files[0]?.path ?? "", signal);
      await tryRemoteStaging(machineOf(connection, sftp), files, record !== null, signal);
    },
    ...untriedCommand(options),
    async inspect(request, signal) {
      await using connection = await login(options, dependencies, signal);
      const sftp = await openSftp(connection, signal);
      const all = places(options, request.certificate);
      return await inspectRemote(
        sftp,
        {
          pairs: pairPaths(options, request.certificate),
          keys: all.filter(({ secret }) => secret).map(({ path }) => path),
          first: all[0]?.path ?? "",
          mode: modeOf(options),
        },
        request,
        signal,
      );
    },
  }),
  occupies: (options, certificate) =>
    places(options, certificate).map(({ path }) => `ssh://${options.host.toLowerCase()}:${options.port}${path}`),
};

/**
 * The record of the generation is swapped first, as on this machine. SFTP has no locks: the deployment's fence keeps
 * two writers apart, and the record is read again right before the swap. An abort has no effect during the swap, so key
 * and certificate are always swapped together.
 */
async function deploy(
  options: SshOptions,
  dependencies: DeployerDependencies,
  request: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  const { pair } = request;
  const contents = pairPem(pair);
  await using connection = await login(options, dependencies, signal);
  const sftp = await openSftp(connection, signal);
  const files = layoutFiles(options, pair.certificate, contents, await remoteOwnership(sftp, options, signal));
  const [first] = files;
  const refuseIfBehind = async (): Promise<GenerationRecord | null> => {
    const record = await readRemoteRecord(sftp, first.path, signal);
    // Where somebody removed key or certificate, nothing newer is in place.
    const isThere = async (path: string): Promise<boolean> => (await sftp.lstat(path, signal)) !== null;
    const held = record !== null && (await holdsPair(files, isThere)) ? record : null;
    refuseOlder(pair, held, `${connection.name} ${recordPath(first.path)}`);
    return record;
  };
  const record = await refuseIfBehind();
  const isOwn = record !== null;
  const wanted = files.map((file) => ({
    ...{ ...file, isOwn, certificates: writtenCertificates(record) },
    ...(file.secret && { written: writtenMode(record, file.path) }),
  }));
  await using staged = await stageRemoteFiles(machineOf(connection, sftp), wanted, signal, (written) =>
    recordFile(first, pair, written),
  );
  await refuseIfBehind();
  await staged.swap();
  const receipt = {
    ...{ generation: pair.generation, fingerprint: pair.leaf.fingerprint },
    ...{ host: options.host, file: first.path, ...keyFileMembers(first.path, keyFilesOf(files)) },
    ...(staged.notes.length > 0 && { note: staged.notes.join("; ") }),
  };
  // Otherwise also when nothing changed: an earlier attempt may have died between its swap and the command.
  if (!staged.changed && options.command !== undefined && mayLeaveOut(request, first.path))
    return { ...receipt, note: COMMAND_LEFT_OUT };
  if (options.command !== undefined) {
    await runRemote(connection, { argv: options.command, timeoutMs: options.commandTimeout }, signal).catch(
      async (error: unknown) => {
        // An abort does not mean that the pair is bad, and without a connection nothing can be restored: the next
        // attempt runs the command again. The command may have failed because another certificate's first files are
        // missing.
        if (!signal.aborted && !staged.first) await staged.restore().catch(() => undefined);
        throw error;
      },
    );
  }
  return receipt;
}

function machineOf(connection: SshConnection, sftp: Sftp): RemoteMachine {
  return { sftp, tool: (argv, signal) => askTool(connection, argv, signal) };
}

async function login(
  options: SshOptions,
  { secret }: DeployerDependencies,
  signal: AbortSignal,
): Promise<SshConnection> {
  signal.throwIfAborted();
  const read = async (reference: SshOptions["password"]) => (reference === undefined ? null : await secret(reference));
  const { host, port, user, hostKey: hostKeys, timeout: timeoutMs, agentSocket: agent = null } = options;
  const secrets = {
    privateKey: await read(options.privateKey),
    passphrase: await read(options.passphrase),
    password: await read(options.password),
  };
  return await connectSsh({ host, port, user, hostKeys, agent, timeoutMs, ...secrets }, signal);
}
