import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { installedPair } from "../base/installedPair.ts";
import { jsonOrNull } from "../base/jsonAnswer.ts";
import { pairPem } from "../base/pairPem.ts";
import { absolutePath, placeOf } from "../base/targetPath.ts";
import { accessProblems, modeProblems } from "../local/inspectFiles.ts";
import { modeOf, ownedFile, ownerOptions, ownershipOf } from "../local/owner.ts";
import { filesReceipt, withStagedPair } from "../local/pairFiles.ts";
import { runningReader } from "../local/reader.ts";
import { readIfThere } from "../local/readRegular.ts";
import { tryStaging } from "../local/tryStaging.ts";

const SECRET_TYPE = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret";

const optionsSchema = z.strictObject({
  file: absolutePath
    .regex(/\.(json|ya?ml)$/, "must end in .json, .yaml or .yml, by which Envoy knows the format")
    .describe(
      "SDS file, which `sds_config.path_config_source.path` names; it holds key, certificate and chain, and must " +
        "exist when Envoy starts. `{certificate}` stands for the certificate's name.",
    ),
  secretName: z
    .string()
    .min(1)
    .max(255)
    .regex(/^([A-Za-z0-9_./:-]|\{certificate\})+$/, "letters, digits and _ . / : - only")
    .default("{certificate}")
    .describe("`name` in `tls_certificate_sds_secret_configs`. `{certificate}` as above."),
  ...ownerOptions,
  adopt: z
    .boolean()
    .default(false)
    .describe("Whether a file that holds anything but this secret is overwritten. Default: it is refused."),
});

type EnvoyOptions = z.infer<typeof optionsSchema>;

export const envoy: Plugin<EnvoyOptions, DeployerDependencies, Deployer> = {
  type: "envoy",
  reloads: true,
  description: "Writes the SDS file that Envoy watches, with the pair inside, by one rename.",
  options: optionsSchema,
  create: (options) => ({
    deploy: (request, signal) => deploy(options, request, signal),
    async preflight(certificate, _leaf, signal) {
      await refuseForeign(options, certificate);
      const file = { ...placeOf(options.file, certificate), secret: true };
      const reader = await runningReader({ programs: ["envoy"] }, signal);
      await tryStaging([ownedFile(file, await ownershipOf(options, signal), reader)], signal);
    },
    inspect: (request, signal) => inspect(options, request, signal),
  }),
  occupies: (options, certificate) => [placeOf(options.file, certificate).path],
};

/**
 * Envoy watches the path of an SDS file for moves (core.v3.PathConfigSource), such as this rename, and reads the pair
 * from inside the file (core.v3.DataSource, `inline_string`). Two files, swapped by a symbolic link to their directory,
 * were torn in 1.6 % of reads in a stress test; one file cannot be. The rename is done each time: an earlier one may
 * have come before Envoy watched, and the same content changes nothing in Envoy.
 */
async function deploy(options: EnvoyOptions, { pair }: DeployRequest, signal: AbortSignal): Promise<DeployReceipt> {
  const content = discoveryResponse(options, pair);
  const file = ownedFile(
    { ...placeOf(options.file, pair.certificate), content, secret: true, always: true },
    await ownershipOf(options, signal),
    await runningReader({ programs: ["envoy"] }, signal),
  );
  return await withStagedPair({ pair, files: [file] }, signal, async (staged) => {
    await refuseForeign(options, pair.certificate);
    await staged.swap();
    return filesReceipt(pair, file.path, staged.notes);
  });
}

/** service.discovery.v3.DiscoveryResponse */
const anyResponse = z.strictObject({
  version_info: z.string().optional(),
  type_url: z.string().optional(),
  resources: z.array(z.object({ name: z.string().optional() })).optional(),
});
/** The file with which Envoy waits for its first secret. */
const EMPTY_YAML = /^\s*(?:version_info:[^\n]*\n\s*)?resources:\s*(?:\[\s*\])?\s*$/;

/**
 * Envoy takes exactly one secret from a file (SdsApi::validateUpdateSize), so another one cannot be kept beside ours.
 * Throws `deploy.refused` for a file with anything else.
 */
async function refuseForeign({ adopt, file, secretName }: EnvoyOptions, certificate: string): Promise<void> {
  const { path } = placeOf(file, certificate);
  const text = adopt ? null : await readIfThere(path);
  if (text === null || text.trim() === "" || EMPTY_YAML.test(text.replace(/^\s*#.*$/gm, ""))) return;
  const held = anyResponse.safeParse(jsonOrNull(text)).data;
  const [first, ...others] = held?.resources ?? [];
  const ours =
    first === undefined ||
    first.name === secretName.replaceAll("{certificate}", certificate) ||
    held?.version_info?.startsWith(versionPrefix(certificate)) === true;
  if (held !== undefined && others.length === 0 && ours) return;
  const what = held === undefined ? "what renewd cannot read" : "secrets that renewd did not write";
  throw new RenewalError(
    "deploy.refused",
    `${path} holds ${what}, and Envoy ` +
      "takes one secret from a file: name another `file`, or set `adopt: true` to overwrite it",
  );
}

/** How the version of a file that renewd wrote begins. */
function versionPrefix(certificate: string): string {
  return `renewd ${certificate} `;
}

const discovered = z.object({
  resources: z.array(
    z.object({
      name: z.string(),
      tls_certificate: z.object({
        certificate_chain: z.object({ inline_string: z.string() }),
        private_key: z.object({ inline_string: z.string() }),
      }),
    }),
  ),
});

async function inspect(
  options: EnvoyOptions,
  { certificate }: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair> {
  const { path } = placeOf(options.file, certificate);
  const text = await readIfThere(path);
  const names = { certificate: path, key: path };
  const problems = [
    ...(await accessProblems(new Set([path]), await runningReader({ programs: ["envoy"] }, signal))),
    ...(await modeProblems([path], { first: path, mode: modeOf(options) })),
  ];
  const pair = text === null ? null : pairIn(text, options.secretName.replaceAll("{certificate}", certificate));
  const certificates = pair?.certificate ?? text;
  const held = installedPair({ certificate: certificates, key: pair?.key ?? text, chain: certificates, names });
  return { ...held, problems: [...held.problems, ...problems] };
}

/** null: the file does not have the secret as renewd writes it. */
function pairIn(text: string, secretName: string): { readonly certificate: string; readonly key: string } | null {
  const secret = discovered.safeParse(jsonOrNull(text)).data?.resources.find(({ name }) => name === secretName);
  if (secret === undefined) return null;
  const { certificate_chain: chain, private_key: key } = secret.tls_certificate;
  return { certificate: chain.inline_string, key: key.inline_string };
}

/**
 * service.discovery.v3.DiscoveryResponse; JSON is YAML too. Envoy shows the version in statistics and `/config_dump`.
 */
function discoveryResponse(options: EnvoyOptions, pair: IssuedCertificate): string {
  const { fullchain, privkey } = pairPem(pair);
  const secret = {
    "@type": SECRET_TYPE,
    name: options.secretName.replaceAll("{certificate}", pair.certificate),
    tls_certificate: { certificate_chain: { inline_string: fullchain }, private_key: { inline_string: privkey } },
  };
  const version = `${versionPrefix(pair.certificate)}${pair.generation} ${pair.leaf.fingerprint}`;
  return `${JSON.stringify({ version_info: version, resources: [secret] }, null, 1)}\n`;
}
