import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { durationOption } from "../base/duration.ts";
import { parseRecord, recordText, refuseOlder } from "../base/generationRecord.ts";
import { pairPem } from "../base/pairPem.ts";
import { secretOption } from "../base/secretOption.ts";
import { secretUrl } from "../base/secretUrl.ts";
import { resolveTargetPath } from "../base/targetPath.ts";
import { readTrust, trustOption } from "../base/trust.ts";
import { connectDataplane, type Dataplane, storageName } from "./dataplaneClient.ts";

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
  timeout: durationOption("30s").describe(
    "Longest time for one answer, and for one reload of HAProxy: 500ms, 30s, 2m. The API waits 5s before it reloads.",
  ),
});

type DataplaneOptions = z.infer<typeof optionsSchema>;

export const haproxyDataplane: Plugin<DataplaneOptions, DeployerDependencies, Deployer> = {
  type: "haproxy-dataplane",
  visibility: "draining",
  description:
    "Puts the pair into HAProxy's certificate storage through the Data Plane API (version 3), without a reload where " +
    "that is possible.",
  options: optionsSchema,
  create: (options, dependencies) => ({
    deploy: (request, signal) => deploy(options, dependencies, request, signal),
    async preflight(_certificate, _leaf, signal) {
      await (await connect(options, dependencies)).check(signal);
    },
    inspect: (request, signal) => inspect(options, dependencies, request, signal),
  }),
  occupies: (options, certificate) => [`${new URL(options.url).origin} ${nameFor(options, certificate)}`],
};

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
  const { bundle } = pairPem(pair);
  const name = nameFor(options, pair.certificate);
  const record = storageName(`renewd-${name}.json`);
  const dataplane = await connect(options, dependencies);
  const held = await dataplane.readFile(record, signal);
  refuseOlder(
    pair,
    held === null ? null : parseRecord(held),
    `the file ${record} in the general storage of ${options.url}`,
  );
  const wanted = recordText(pair);
  if (held !== wanted) await dataplane.writeFile({ name: record, content: wanted, exists: held !== null }, signal);
  await dataplane.writeCertificate({ name, bundle }, signal);
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
  const found = await (await connect(options, dependencies)).readFingerprint(name, signal);
  if (found === null) return null;
  if (found !== "missing") return { fingerprint: found, keyMatches: null, problems: [] };
  return { fingerprint: null, keyMatches: null, problems: [`${name} is missing in the storage of ${options.url}`] };
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
