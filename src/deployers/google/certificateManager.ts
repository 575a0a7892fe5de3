import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { durationOption } from "../base/duration.ts";
import { refuseForeignOrOlder } from "../base/generationTags.ts";
import { installedPair, sameCertificates } from "../base/installedPair.ts";
import { pairPem } from "../base/pairPem.ts";
import { type NameRule, nameOption, resolveName } from "../base/resourceName.ts";
import {
  type CertificateManager,
  createCertificateManager,
  type ManagedCertificate,
} from "./certificateManagerClient.ts";
import { googleOptions } from "./client.ts";
import { heldLabels, labelsOf, MARK_PREFIX } from "./labels.ts";

// https://cloud.google.com/certificate-manager/docs/reference/certificate-manager/rest/v1/projects.locations.certificates/create
const ID_RULE: NameRule = {
  valid: /^[a-z][a-z0-9_-]{0,62}$/,
  advice: "a certificate's ID has 1 to 63 of a-z, 0-9, underscore and hyphen, beginning with a letter",
  unknown: /[^a-z0-9_-]/g,
};

const optionsSchema = z.strictObject({
  ...googleOptions,
  location: z
    .string()
    .regex(/^[a-z0-9-]{1,63}$/, "give global or a region such as europe-west1")
    .default("global")
    .describe("Location of the certificate: global, or a region for regional load balancers. Default: global."),
  name: nameOption(ID_RULE, "{certificate}").describe(
    "ID of the certificate. `{certificate}` stands for the certificate's name, with hyphens for characters " +
      "Google does not allow. Default: `{certificate}`.",
  ),
  scope: z
    .enum(["DEFAULT", "EDGE_CACHE", "ALL_REGIONS"])
    .default("DEFAULT")
    .describe("Scope of a certificate that renewd creates; it cannot be changed later. Default: DEFAULT."),
  labels: z
    .record(
      z.string().regex(/^[a-z][a-z0-9_-]{0,62}$/, "is not a valid label key"),
      z.string().regex(/^[a-z0-9_-]{0,63}$/, "is not a valid label value"),
    )
    .refine(
      (labels) => !Object.keys(labels).some((key) => key.startsWith(MARK_PREFIX)),
      `keys beginning with ${MARK_PREFIX} are reserved`,
    )
    .default({})
    .describe("Further labels of the certificate."),
  adopt: z
    .boolean()
    .default(false)
    .describe("Whether a certificate that renewd did not create is taken over. Default: it is refused."),
  timeout: durationOption("60s").describe(
    "Time one change may take, with the operation that follows it: 500ms, 30s, 2m.",
  ),
});

type CertificateManagerOptions = z.infer<typeof optionsSchema>;

export const gcpCertificateManager: Plugin<CertificateManagerOptions, DeployerDependencies, Deployer> = {
  type: "gcp-certificate-manager",
  description:
    "Keeps the pair as a self-managed certificate in Google Cloud's Certificate Manager, changed in place, so " +
    "that load balancers follow by themselves.",
  options: optionsSchema,
  create(options, dependencies) {
    const api = createCertificateManager({ ...options, timeoutMs: options.timeout }, dependencies);
    return {
      deploy: (request, signal) => deploy(api, options, request, signal),
      async preflight(certificate, _leaf, signal) {
        const held = await api.read(nameOf(options, certificate), signal);
        if (held !== null) refuseOthers(options, nameOf(options, certificate), held);
      },
      untried: "the right to write (certificatemanager.certs.create and certs.update)",
      inspect: (request, signal) => inspect(api, options, request, signal),
      async held(found, signal) {
        const [parent = ""] = nameOf(options, "x").split("/certificates/");
        for (const { name, certificatePem, selfManaged } of await api.list(parent, signal)) {
          const [, id = ""] = name.split("/certificates/");
          const { project, location } = options;
          const target = { type: "gcp-certificate-manager", project, location, name: id, adopt: true };
          if (certificatePem !== "")
            found({ certificate: certificatePem, place: name, target: selfManaged ? target : null });
        }
      },
    };
  },
  occupies: (options, certificate) => [nameOf(options, certificate)],
};

/**
 * One update changes key, chain and labels together. Certificate Manager offers no compare-and-set; two writers are
 * kept apart by the deployment's fence.
 */
async function deploy(
  api: CertificateManager,
  options: CertificateManagerOptions,
  { pair }: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  const pem = pairPem(pair);
  const name = nameOf(options, pair.certificate);
  const held = await api.read(name, signal);
  if (held !== null) {
    refuseOthers(options, name, held);
    refuseForeignOrOlder(pair, heldLabels(held.labels, pair), {
      name: `certificate ${name}`,
      mark: `its label ${MARK_PREFIX}generation`,
    });
  }
  const labels = { ...held?.labels, ...options.labels, ...labelsOf(pair) };
  const write = { name, scope: options.scope, labels, certificate: pem.fullchain, privateKey: pair.privateKey };
  if (held === null) await api.create(write, signal);
  else if (!holds(held, pair)) await api.update(write, signal);
  else if (Object.entries(labels).some(([key, value]) => held.labels[key] !== value))
    await api.label({ name, labels }, signal);
  return { name, generation: pair.generation, fingerprint: pair.leaf.fingerprint };
}

/** `pemCertificate`, with the chain, which Google shows of every certificate; it never shows a key. */
async function inspect(
  api: CertificateManager,
  options: CertificateManagerOptions,
  { certificate }: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair> {
  const name = nameOf(options, certificate);
  const held = await api.read(name, signal);
  const names = { certificate: `certificate ${name}`, key: `certificate ${name}` };
  const pem = held?.certificatePem ?? null;
  return installedPair({ certificate: pem, key: undefined, chain: pem, names });
}

/** Throws `deploy.refused` for a certificate that must not become ours. */
function refuseOthers({ adopt }: CertificateManagerOptions, name: string, held: ManagedCertificate): void {
  if (!held.selfManaged)
    throw new RenewalError(
      "deploy.refused",
      `certificate ${name} is managed and renewed by Google itself; choose another \`name\``,
    );
  if (held.labels[`${MARK_PREFIX}generation`] === undefined && !adopt)
    throw new RenewalError(
      "deploy.refused",
      `certificate ${name} was not created by renewd (it has no label ${MARK_PREFIX}generation): name another, ` +
        `or set \`adopt: true\``,
    );
}

function holds({ certificatePem }: ManagedCertificate, pair: IssuedCertificate): boolean {
  return sameCertificates(certificatePem, pairPem(pair).fullchain);
}

function nameOf(options: CertificateManagerOptions, certificate: string): string {
  return `projects/${options.project}/locations/${options.location}/certificates/${resolveName(options.name, certificate, ID_RULE)}`;
}
