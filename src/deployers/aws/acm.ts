import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import type { HeldElsewhere } from "../../domain/discovery.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { isAsDeployed, leastHealthy } from "../base/installedPair.ts";
import { pairPem } from "../base/pairPem.ts";
import { type Acm, createAcm } from "./acmClient.ts";
import { type AcmPlace, deployToRegion, inspectRegion, type Placed, preflightRegion } from "./acmRegion.ts";
import { LIMITS } from "./acmRules.ts";
import { accessOf, accessOptions, regionOption, tagsOption } from "./options.ts";
import { inEveryRegion } from "./regions.ts";

const optionsSchema = z
  .strictObject({
    region: regionOption.optional().describe("AWS region. Certificates for CloudFront live in us-east-1."),
    regions: z
      .array(regionOption)
      .min(1)
      .max(40)
      .refine((regions) => new Set(regions).size === regions.length, "names a region twice")
      .optional()
      .describe(
        "Several regions instead of one: the certificate is imported into each. One that fails stops no other " +
          "and is tried again.",
      ),
    arn: z
      .string()
      .regex(/^arn:[a-z-]+:acm:[a-z0-9-]+:\d{12}:certificate\/[A-Za-z0-9-]+$/, "give the ARN of an ACM certificate")
      .optional()
      .describe(
        "Imported certificate of `region` to take over. Default: renewd imports a new one and finds it again by " +
          "its tags.",
      ),
    newArnOnKeyChange: z
      .boolean()
      .default(false)
      .describe(
        "ACM keeps key type and size of an ARN. Whether a certificate with another key is imported under a new " +
          "ARN rather than refused: " +
          "the receipt holds both (`arn`, `previousArn`), and you associate your load balancers with the new one.",
      ),
    tags: tagsOption.describe("Further tags of the certificate. renewd sets renewd:certificate and renewd:generation."),
    ...accessOptions,
  })
  .refine((o) => (o.region === undefined) !== (o.regions === undefined), {
    message: "give either `region` or `regions`",
  })
  .refine((o) => o.arn === undefined || o.arn.split(":")[3] === o.region, {
    path: ["arn"],
    message: "must be an ARN of the target's `region`",
  });

type AcmOptions = z.infer<typeof optionsSchema>;

export const awsAcm: Plugin<AcmOptions, DeployerDependencies, Deployer> = {
  type: "aws-acm",
  description:
    "Imports the certificate into AWS Certificate Manager and keeps its ARN, so that load balancers follow by " +
    "themselves.",
  options: optionsSchema,
  create(options) {
    const regions = options.regions ?? (options.region === undefined ? [] : [options.region]);
    const places = new Map(regions.map((region) => [region, placeIn(options, region)]));
    return {
      deploy: (request, signal) => deploy(places, options.regions !== undefined, request, signal),
      async preflight(certificate, leaf, signal) {
        await inEveryRegion(places, (_region, place) => preflightRegion(place, certificate, leaf, signal), signal);
      },
      untried: "the right to write (acm:ImportCertificate, AddTagsToCertificate)",
      inspect: (request, signal) => inspect(places, request, signal),
      async held(found, signal) {
        await inEveryRegion(places, (region, { acm }) => heldIn(acm, region, found, signal), signal);
      },
    };
  },
  occupies: (options) => (options.arn === undefined ? [] : [options.arn]),
  limits: () => LIMITS,
};

/** One by one: ACM answers some ten such requests a second, and no other request of ours may go short. */
async function heldIn(
  acm: Acm,
  region: string,
  found: (held: HeldElsewhere) => void,
  signal: AbortSignal,
): Promise<void> {
  await acm.listAll(async ({ CertificateArn: arn, Type, Status }) => {
    if (arn === undefined || (Status !== undefined && Status !== "ISSUED" && Status !== "EXPIRED")) return;
    const pem = await acm.pem(arn, signal);
    const target = Type === "IMPORTED" || Type === undefined ? { type: "aws-acm", region, arn } : null;
    if (pem !== null) found({ certificate: pem.leaf, place: arn, target });
  }, signal);
}

function placeIn(options: AcmOptions, region: string): AcmPlace {
  return {
    acm: createAcm(accessOf(options, region)),
    arn: options.arn,
    tags: options.tags ?? {},
    newArnOnKeyChange: options.newArnOnKeyChange,
  };
}

async function deploy(
  places: ReadonlyMap<string, AcmPlace>,
  several: boolean,
  { pair, previous }: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  // Before the first region is touched: throws when the pair does not fit.
  pairPem(pair);
  const placed = await inEveryRegion(
    places,
    (region, place) => deployToRegion(place, pair, recordedArn(previous, region), signal),
    signal,
  );
  return { ...arns(placed, several), generation: pair.generation, fingerprint: pair.leaf.fingerprint };
}

async function inspect(
  places: ReadonlyMap<string, AcmPlace>,
  { certificate, previous }: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair | null> {
  const found: InstalledPair[] = [];
  const inspected = inEveryRegion(
    places,
    async (region, place) => {
      found.push(await inspectRegion(place, certificate, recordedArn(previous, region), signal));
    },
    signal,
  );
  await inspected.catch((error: unknown) => {
    signal.throwIfAborted();
    // A region that cannot be asked must not hide what another one holds.
    if (found.every((held) => isAsDeployed(held, previous?.fingerprint))) throw error;
  });
  return leastHealthy(found, previous?.fingerprint);
}

/** `arn` of a target with one region, `arn.us-east-1` and so on of one with several. */
function arns(placed: ReadonlyMap<string, Placed>, several: boolean): DeployReceipt {
  const flat: Record<string, string> = {};
  for (const [region, { arn, previousArn }] of placed) {
    const suffix = several ? `.${region}` : "";
    flat[`arn${suffix}`] = arn;
    if (previousArn !== null) flat[`previousArn${suffix}`] = previousArn;
  }
  return flat;
}

/** Also when the target had one region then and has several now, or the other way round. */
function recordedArn(previous: DeployReceipt | null, region: string): string | null {
  const recorded = [previous?.[`arn.${region}`], previous?.arn];
  return recorded.find((arn): arn is string => typeof arn === "string" && arn.split(":")[3] === region) ?? null;
}
