import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { Secret } from "../../domain/secret.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { durationOption } from "../base/duration.ts";
import {
  type GenerationTag,
  type Holder,
  readTags,
  refuseForeign,
  refuseForeignOrOlder,
  tagsOf,
} from "../base/generationTags.ts";
import { installedPair } from "../base/installedPair.ts";
import { type NameRule, nameOption, resolveName } from "../base/resourceName.ts";
import {
  layoutOptions,
  layoutProblem,
  memberNames,
  type OtherMembers,
  othersIn,
  pairIn,
  secretText,
} from "../base/secretLayout.ts";
import { googleOptions } from "./client.ts";
import { createSecretManager, type HeldSecret, type SecretManager } from "./secretManagerClient.ts";

// https://cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets/create
const ID_RULE: NameRule = {
  valid: /^[A-Za-z0-9_-]{1,255}$/,
  advice: "a secret's ID has 1 to 255 letters, digits, underscores and hyphens",
  unknown: /[^a-z0-9_-]/g,
};
const MARK_PREFIX = "renewd-";
const VERSION = `${MARK_PREFIX}version`;

const optionsSchema = z
  .strictObject({
    ...googleOptions,
    secret: nameOption(ID_RULE, "{certificate}").describe(
      "ID of the secret, which is created if it is missing. `{certificate}` stands for the certificate's name; " +
        "a hyphen replaces each character Google does not allow.",
    ),
    ...layoutOptions,
    timeout: durationOption("30s").describe("Time one call may take: 500ms, 30s, 2m."),
  })
  .superRefine((options, context) => {
    const problem = layoutProblem(options);
    if (problem !== null) context.addIssue({ code: "custom", message: problem });
  });

type SecretManagerOptions = z.infer<typeof optionsSchema>;

export const gcpSecretManager: Plugin<SecretManagerOptions, DeployerDependencies, Deployer> = {
  type: "gcp-secret-manager",
  served: false,
  description: "Adds the pair as a new version of a secret in Google Cloud's Secret Manager.",
  options: optionsSchema,
  create(options, dependencies) {
    const api = createSecretManager({ ...options, timeoutMs: options.timeout }, dependencies);
    return {
      deploy: (request, signal) => deploy(api, options, request, signal),
      async preflight(certificate, _leaf, signal) {
        const name = nameOf(options, certificate);
        const held = await api.read(name, signal);
        if (held !== null && readTags(held.annotations, annotationOf) === null) await refuseOthers(api, name, signal);
        if (held !== null) refuseForeign(certificate, readTags(held.annotations, annotationOf), holderOf(name));
        if (held === null) return;
        await readCurrent(api, options, { name, held, previous: null }, signal);
        await api.require(name, ["versions.add", "secrets.update"], signal);
      },
      untried: "the right to create a secret that does not exist yet (secretmanager.secrets.create)",
      inspect: (request, signal) => inspect(api, options, request, signal),
    };
  },
  occupies: (options, certificate) => [nameOf(options, certificate)],
};

/**
 * Adding a version has no precondition, so the generation is claimed first, in the secret's annotations, on the etag
 * that was read: a late worker with an older pair fails there. The version's number is recorded last: should we die in
 * between, the next attempt sees none and adds the pair, at worst once more.
 */
async function deploy(
  api: SecretManager,
  options: SecretManagerOptions,
  { pair, previous }: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  // Before the secret is read: throws when the pair does not fit.
  secretText(pair, options);
  const name = nameOf(options, pair.certificate);
  const held = await api.read(name, signal);
  if (held !== null) refuse(name, pair, held);
  if (held !== null && readTags(held.annotations, annotationOf) === null) await refuseOthers(api, name, signal);
  const current = held === null ? NOTHING : await readCurrent(api, options, { name, held, previous }, signal);
  const kept = Object.keys(current.others).length;
  const payload = secretText(pair, options, current.others);
  const receiptOf = (version: string): DeployReceipt => ({
    secret: name,
    version,
    generation: pair.generation,
    fingerprint: pair.leaf.fingerprint,
    ...(options.keys !== undefined && { members: memberNames(options) }),
    ...(kept > 0 && { keptMembers: kept }),
  });

  const marks = tagsOf(pair, annotationOf);
  const recorded = held?.annotations[VERSION] ?? "";
  const claimed = held !== null && Object.entries(marks).every(([key, text]) => held.annotations[key] === text);
  const same = current.text === null || current.text.reveal() === payload.reveal();
  if (claimed && recorded !== "" && current.version === recorded && same) return receiptOf(recorded);
  const { [VERSION]: _, ...others } = held?.annotations ?? {};
  const claim = { ...others, ...marks };
  const etag =
    held === null
      ? await api.create({ name, annotations: claim }, signal)
      : await annotate(api, { name, pair, held, annotations: claim }, signal);
  const version = await api.add({ name, payload, privateKey: pair.privateKey }, signal);
  await annotate(
    api,
    { name, pair, held: { etag, annotations: claim }, annotations: { ...claim, [VERSION]: version } },
    signal,
  );
  return receiptOf(version);
}

interface Current {
  /** Number of the newest version; null: there is none. */
  readonly version: string | null;
  /** null: renewd may not read it. */
  readonly text: Secret | null;
  readonly others: OtherMembers;
}

const NOTHING: Current = { version: null, text: null, others: {} };

/**
 * What readers get now, with what others keep beside the pair. Without the permission to read it, only a version that
 * renewd wrote alone is followed by another.
 */
async function readCurrent(
  api: SecretManager,
  options: SecretManagerOptions,
  { name, held, previous }: { readonly name: string; readonly held: HeldSecret } & Pick<DeployRequest, "previous">,
  signal: AbortSignal,
): Promise<Current> {
  const version = await api.latest(name, signal);
  if (version === null) return NOTHING;
  const isOurs = held.annotations[VERSION] === version;
  try {
    const text = await api.access(name, version, signal);
    const members = isOurs ? previous?.members : "[]";
    return { version, text, others: othersIn({ text: text.reveal(), members, shown: `secret ${name}` }, options) };
  } catch (error) {
    const forbidden = error instanceof RenewalError && error.code === "deploy.forbidden";
    if (!forbidden || !isOurs || previous?.keptMembers !== undefined) throw error;
    return { version, text: null, others: {} };
  }
}

async function inspect(
  api: SecretManager,
  options: SecretManagerOptions,
  { certificate, previous }: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair> {
  const name = nameOf(options, certificate);
  const shown = `secret ${name}`;
  const held = await api.read(name, signal);
  const version = held === null ? null : await api.latest(name, signal);
  if (version === null)
    return { fingerprint: null, keyMatches: null, problems: [`${shown} is missing or has no version`] };
  try {
    return installedPair(pairIn((await api.access(name, version, signal)).reveal(), options, shown));
  } catch (error) {
    if (!(error instanceof RenewalError) || error.code !== "deploy.forbidden") throw error;
    const fingerprint = previous?.fingerprint;
    if (version === previous?.version && typeof fingerprint === "string")
      return { fingerprint, keyMatches: null, problems: [] };
    const problem = `${shown} has a version ${version}, which renewd did not add`;
    return { fingerprint: null, keyMatches: null, problems: [problem] };
  }
}

interface Annotation {
  readonly name: string;
  readonly pair: IssuedCertificate;
  readonly held: HeldSecret;
  readonly annotations: Record<string, string>;
}

/** Returns the new etag. */
async function annotate(
  api: SecretManager,
  { name, pair, held, annotations }: Annotation,
  signal: AbortSignal,
): Promise<string> {
  const outcome = await api.annotate({ name, etag: held.etag, annotations }, signal);
  if ("etag" in outcome) return outcome.etag;
  const now = await api.read(name, signal);
  if (now?.etag === held.etag) throw outcome.refusal;
  if (now !== null) refuse(name, pair, now);
  throw new RenewalError("deploy.unreachable", `secret ${name} was changed by something else while it was written`);
}

function refuse(name: string, pair: IssuedCertificate, held: HeldSecret): void {
  refuseForeignOrOlder(pair, readTags(held.annotations, annotationOf), holderOf(name));
}

function holderOf(name: string): Holder {
  return { name: `secret ${name}`, mark: `its annotation ${annotationOf("generation")}` };
}

/** renewd fills an empty secret, which infrastructure code may have created. One with versions belongs to others. */
async function refuseOthers(api: SecretManager, name: string, signal: AbortSignal): Promise<void> {
  if ((await api.latest(name, signal)) === null) return;
  throw new RenewalError(
    "deploy.refused",
    `secret ${name} already has versions that renewd did not write; choose another \`secret\``,
  );
}

function annotationOf(mark: GenerationTag): string {
  return `${MARK_PREFIX}${mark === "notBefore" ? "not-before" : mark}`;
}

function nameOf(options: SecretManagerOptions, certificate: string): string {
  return `projects/${options.project}/secrets/${resolveName(options.secret, certificate, ID_RULE)}`;
}
