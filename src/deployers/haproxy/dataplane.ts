import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { durationOption } from "../base/duration.ts";
import { type GenerationRecord, parseRecord, recordText, refuseOlder } from "../base/generationRecord.ts";
import { pairPem } from "../base/pairPem.ts";
import { secretOption } from "../base/secretOption.ts";
import { secretUrl } from "../base/secretUrl.ts";
import { absolutePath, resolveTargetPath } from "../base/targetPath.ts";
import { readTrust, trustOption } from "../base/trust.ts";
import { readIfThere } from "../local/readRegular.ts";
import { connectDataplane, type Dataplane, type StoredCertificate, storageName } from "./dataplaneClient.ts";

const optionsSchema = z.strictObject({
  url: secretUrl
    .refine(
      (url) => new URL(url).pathname === "/" && new URL(url).username === "",
      "give scheme, host and port only, such as https://lb.example:5555",
    )
    .describe("The Data Plane API's address, without /v3: https, or http to this machine."),
  username: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[^:\p{Cc}]+$/u, "must not contain a colon")
    .describe("User of the Data Plane API."),
  password: secretOption.describe("Where to read its password: `env:NAME` or `file:/path`. Read at each deploy."),
  trust: trustOption,
  certificate: z
    .string()
    .regex(/^([A-Za-z0-9_.-]|\{certificate\})+\.pem$/, "must be a file name that ends in .pem, without a slash")
    .default("{certificate}.pem")
    .describe(
      "Name in the API's certificate storage, the directory that a bind's `crt` names. The API replaces every dot " +
        "but the last with `_`. `{certificate}` stands for the certificate's name.",
    ),
  dhParameters: absolutePath
    .optional()
    .describe(
      "PEM file on renewd's machine with DH parameters, which are stored behind the pair each time: the API does not show " +
        "those that the stored file holds.",
    ),
  adopt: z
    .boolean()
    .default(false)
    .describe(
      "Whether a stored certificate is overwritten that renewd did not write, or that somebody added something to, such " +
        "as DH parameters, which the API does not show. Default: it is refused, unless `dhParameters` is given.",
    ),
  timeout: durationOption("30s").describe(
    "Longest time for one answer, and for one reload of HAProxy: 500ms, 30s, 2m. The API waits 5s before it reloads.",
  ),
});

type DataplaneOptions = z.infer<typeof optionsSchema>;

export const haproxyDataplane: Plugin<DataplaneOptions, DeployerDependencies, Deployer> = {
  type: "haproxy-dataplane",
  reloads: true,
  description:
    "Puts the pair into HAProxy's certificate storage through the Data Plane API (version 3), without a reload where " +
    "that is possible.",
  options: optionsSchema,
  create: (options, dependencies) => ({
    deploy: (request, signal) => deploy(options, dependencies, request, signal),
    preflight: (certificate, _leaf, signal) => preflight(options, dependencies, certificate, signal),
    inspect: (request, signal) => inspect(options, dependencies, request, signal),
  }),
  occupies: (options, certificate) => [`${new URL(options.url).origin} ${nameFor(options, certificate)}`],
};

async function preflight(
  options: DataplaneOptions,
  dependencies: DeployerDependencies,
  certificate: string,
  signal: AbortSignal,
): Promise<void> {
  const name = nameFor(options, certificate);
  const dataplane = await connect(options, dependencies);
  await dataplane.check(signal);
  await readDhParameters(options);
  const held = await dataplane.readFile(recordName(name), signal);
  refuseUnseen(options, name, {
    stored: await dataplane.readStored(name, signal),
    record: held === null ? null : parseRecord(held),
  });
}

interface Stored {
  /** null: there is no such file. */
  readonly stored: StoredCertificate | null;
  /** What renewd wrote last; null: nothing. */
  readonly record: GenerationRecord | null;
}

/** Throws `deploy.refused` for a stored file that may hold more than a pair: nobody can read it back to keep it. */
function refuseUnseen(options: DataplaneOptions, name: string, { stored, record }: Stored): void {
  if (stored === null || options.adopt || options.dhParameters !== undefined) return;
  if (record !== null && !isChanged(stored, record)) return;
  const what = record === null ? "was not written by renewd" : "was changed after renewd wrote it";
  throw new RenewalError(
    "deploy.refused",
    `${name} in the storage of ${options.url} ${what}, and the API does not show whether it holds DH parameters: give ` +
      "them as `dhParameters`, or set `adopt: true` to overwrite it",
  );
}

/** Of another pair than the last one the length says nothing: that pair is put in place again. */
function isChanged({ fingerprint, bytes }: StoredCertificate, record: GenerationRecord | null): boolean {
  if (record === null || record.fingerprint !== fingerprint || record.bytes === undefined) return false;
  return bytes !== null && bytes !== record.bytes;
}

async function readDhParameters({ dhParameters }: DataplaneOptions): Promise<string> {
  if (dhParameters === undefined) return "";
  const text = await readIfThere(dhParameters);
  const [block] = /-----BEGIN DH PARAMETERS-----[^-]+-----END DH PARAMETERS-----/.exec(text ?? "") ?? [];
  if (block === undefined)
    throw new RenewalError("deploy.refused", `${dhParameters} holds no \`-----BEGIN DH PARAMETERS-----\``);
  return `${block}\n`;
}

/**
 * The API shows no key, and of a certificate only what the certificate itself says. So the generation is in a file of
 * the general storage. It is written first: if this process dies after it, an older pair is refused, and the next
 * attempt stores the pair. The API has no compare-and-set here; the deployment's fence keeps two writers apart.
 */
async function deploy(
  options: DataplaneOptions,
  dependencies: DeployerDependencies,
  { pair }: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  const bundle = pairPem(pair).bundle + (await readDhParameters(options));
  const name = nameFor(options, pair.certificate);
  const record = recordName(name);
  const dataplane = await connect(options, dependencies);
  const held = await dataplane.readFile(record, signal);
  const known = held === null ? null : parseRecord(held);
  refuseOlder(pair, known, `the file ${record} in the general storage of ${options.url}`);
  const stored = await dataplane.readStored(name, signal);
  refuseUnseen(options, name, { stored, record: known });
  const wanted = recordText(pair, { bytes: Buffer.byteLength(bundle) });
  if (held !== wanted) await dataplane.writeFile({ name: record, content: wanted, exists: held !== null }, signal);
  await dataplane.writeCertificate({ name, bundle, exists: stored !== null }, signal);
  return { generation: pair.generation, fingerprint: pair.leaf.fingerprint, certificate: name };
}

/** What the storage holds, which HAProxy reads at its next start. The API shows no key. */
async function inspect(
  options: DataplaneOptions,
  dependencies: DeployerDependencies,
  { certificate }: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair | null> {
  const name = nameFor(options, certificate);
  const dataplane = await connect(options, dependencies);
  const found = await dataplane.readStored(name, signal);
  if (found?.fingerprint === null) return null;
  if (found !== null) {
    const held = await dataplane.readFile(recordName(name), signal);
    const changed = isChanged(found, held === null ? null : parseRecord(held));
    const problem = `${name} in the storage of ${options.url} has another length than what renewd wrote: its chain or what follows it was changed`;
    return { fingerprint: found.fingerprint, keyMatches: null, problems: changed ? [problem] : [] };
  }
  return { fingerprint: null, keyMatches: null, problems: [`${name} is missing in the storage of ${options.url}`] };
}

function recordName(name: string): string {
  return storageName(`renewd-${name}.json`);
}

function nameFor(options: DataplaneOptions, certificate: string): string {
  return storageName(resolveTargetPath(options.certificate, certificate).slice(1));
}

async function connect(options: DataplaneOptions, dependencies: DeployerDependencies): Promise<Dataplane> {
  return connectDataplane({
    ...{ url: options.url, username: options.username, timeoutMs: options.timeout },
    password: await dependencies.secret(options.password),
    trust: await readTrust(options.trust),
  });
}
