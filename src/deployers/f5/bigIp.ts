import { z } from "zod";
import type { Deployer, DeployRequest, InspectRequest, InstalledPair } from "../../domain/deployer.ts";
import type { DeployReceipt } from "../../domain/deployment.ts";
import { RenewalError } from "../../domain/errors.ts";
import type { Plugin } from "../../domain/plugin.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import { readLeaf } from "../../x509/leaf.ts";
import type { DeployerDependencies } from "../base/dependencies.ts";
import { durationOption } from "../base/duration.ts";
import { refuseForeignOrOlder } from "../base/generationTags.ts";
import { pairPem } from "../base/pairPem.ts";
import { type NameRule, nameOption, resolveName } from "../base/resourceName.ts";
import { secretOption } from "../base/secretOption.ts";
import { trustOption } from "../base/trust.ts";
import {
  type CertKeyEntry,
  install,
  listObjects,
  type ProfileState,
  readProfile,
  removeObject,
  save,
  synchronise,
} from "./client.ts";
import { type F5Names, namesOf, parseName } from "./names.ts";
import { type F5Session, openSession } from "./session.ts";

const PROFILE_RULE: NameRule = {
  valid: /^(\/[A-Za-z0-9_.-]{1,64}){2,3}$/,
  advice: "give a profile with its partition, such as /Common/www-clientssl",
  unknown: /(?!)/g,
};

const optionsSchema = z.strictObject({
  address: z
    .url({ protocol: /^https$/ })
    .describe("URL of the BIG-IP's management interface, such as https://bigip.example."),
  user: z
    .string()
    .min(1)
    .max(255)
    .describe("User with the role Resource Administrator, or Certificate Manager with the right to the profile."),
  password: secretOption.describe("The user's password: env:NAME or file:/path."),
  loginProvider: z
    .string()
    .min(1)
    .max(255)
    .default("tmos")
    .describe("Where the user is known. Default: tmos, the BIG-IP itself and what it is set up to ask."),
  profile: nameOption(PROFILE_RULE).describe(
    "Client SSL profile that serves the pair, with its partition: /Common/www-clientssl. `{certificate}` stands " +
      "for the certificate's name.",
  ),
  deviceGroup: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{1,64}$/, "give the name of a device group")
    .optional()
    .describe(
      "Device group to which the configuration is synchronised afterwards. Default: none, as with automatic sync.",
    ),
  trust: trustOption,
  timeout: durationOption("30s").describe("Time one call may take: 500ms, 30s, 2m."),
});

type F5Options = z.infer<typeof optionsSchema>;

export const f5BigIp: Plugin<F5Options, DeployerDependencies, Deployer> = {
  type: "f5-bigip",
  description:
    "Puts the pair into a client SSL profile of an F5 BIG-IP in one transaction, and saves its configuration.",
  options: optionsSchema,
  create: (options, dependencies) => ({
    deploy: (request, signal) => deploy(options, dependencies, request, signal),
    async preflight(certificate, _leaf, signal) {
      await using session = await openSession(options, dependencies, signal);
      await readProfile(session, profileOf(options, certificate), signal);
    },
    untried: "whether the user's role may upload, change the profile and save",
    inspect: (request, signal) => inspect(options, dependencies, request, signal),
  }),
  occupies: (options, certificate) => [`${new URL(options.address).origin} ${profileOf(options, certificate)}`],
  // K14806 and "Creating custom SSL profiles": RSA up to 4096 bits, ECDSA on P-256 and P-384.
  limits: () => ({ keyTypes: ["rsa-2048", "rsa-3072", "rsa-4096", "ecdsa-p256", "ecdsa-p384"] }),
};

/**
 * New objects are created beside the old ones, named by generation and fingerprint. The profile switches to them in the
 * same transaction, so all of it happens or nothing. The running configuration is lost at the next boot unless it is
 * saved, so it is saved even if nothing changed: an earlier attempt may have crashed before saving. iControl REST
 * offers no compare-and-set; the deployment's fence separates two writers.
 */
async function deploy(
  options: F5Options,
  dependencies: DeployerDependencies,
  { pair }: DeployRequest,
  signal: AbortSignal,
): Promise<DeployReceipt> {
  const pem = pairPem(pair);
  const path = profileOf(options, pair.certificate);
  signal.throwIfAborted();
  await using session = await openSession(options, dependencies, signal);
  const profile = await readProfile(session, path, signal);
  const names = namesOf(pair, partitionOf(path));
  const replaced = replacedEntry(profile, pair);
  const chainFingerprints = pair.chainPem.map((one) => readLeaf(one).fingerprint);
  const [first] = chainFingerprints;
  refuseOverwritten(profile, names.cert, pair.leaf.fingerprint);
  if (first !== undefined) refuseOverwritten(profile, names.chain, first);
  const chain = pem.chain === "" ? null : names.chain;
  if (replaced?.cert !== names.cert || replaced.chain !== chain) {
    const entry: CertKeyEntry = {
      name: replaced?.name ?? `renewd_${pair.certificate}`,
      cert: names.cert,
      key: names.key,
      chain,
    };
    const entries = [...profile.entries.filter((one) => one !== replaced), entry];
    await install(
      session,
      { path, names, entries, cert: pem.cert, chain: pem.chain, privateKey: pair.privateKey },
      signal,
    );
  }
  await save(session, signal);
  if (options.deviceGroup !== undefined) await synchronise(session, options.deviceGroup, signal);
  await tidy(session, pair, names, signal);
  return {
    ...{ profile: path, certificate: names.cert, generation: pair.generation, fingerprint: pair.leaf.fingerprint },
    ...(first !== undefined && { chain: chainFingerprints.join(" ") }),
  };
}

/**
 * The certificate that the running profile has from renewd. BIG-IP never returns a key, and refuses a profile whose key
 * and certificate do not match.
 */
async function inspect(
  options: F5Options,
  dependencies: DeployerDependencies,
  { certificate, previous }: InspectRequest,
  signal: AbortSignal,
): Promise<InstalledPair | null> {
  const path = profileOf(options, certificate);
  signal.throwIfAborted();
  await using session = await openSession(options, dependencies, signal);
  const { entries, fingerprints } = await readProfile(session, path, signal);
  const own = entries.find(({ cert }) => parseName(cert)?.certificate === certificate);
  if (own === undefined)
    return { fingerprint: null, keyMatches: null, problems: [`renewd's certificate in profile ${path} is missing`] };
  const fingerprint = fingerprints.get(own.cert);
  if (fingerprint === undefined) return null;
  const chain = heldChain(own, fingerprints, previous);
  return { fingerprint, keyMatches: null, ...(chain !== null && { chain }), problems: [] };
}

/**
 * null: BIG-IP does not show it. It shows the first certificate of a chain only; the receipt has all that were
 * deployed, separated by spaces.
 */
function heldChain(
  { cert, chain }: CertKeyEntry,
  fingerprints: ProfileState["fingerprints"],
  previous: DeployReceipt | null,
): readonly string[] | null {
  if (chain === null) return [];
  const shown = fingerprints.get(chain);
  if (chain !== cert.replace(/\.crt$/, ".chain.crt")) return [shown ?? "another object"];
  if (shown === undefined || typeof previous?.chain !== "string") return null;
  const deployed = previous.chain.split(" ");
  return deployed[0] === shown ? deployed : [shown];
}

/** An object in use cannot be deleted, and another of its name cannot be created. */
function refuseOverwritten({ path, fingerprints }: ProfileState, cert: string, wanted: string): void {
  const held = fingerprints.get(cert);
  if (held === undefined || held === wanted) return;
  throw new RenewalError(
    "deploy.refused",
    `profile ${path} uses ${cert}, which somebody overwrote with another certificate: let the profile use another ` +
      "pair, then delete that certificate and its key",
  );
}

/**
 * The entry that the pair replaces: this certificate's own, else the one with its kind of key (a profile has one of
 * each).
 */
function replacedEntry({ path, entries, kinds }: ProfileState, pair: IssuedCertificate): CertKeyEntry | null {
  const kind = pair.leaf.keyType?.startsWith("ecdsa") === true ? "ecdsa" : "rsa";
  for (const entry of entries) {
    const held = parseName(entry.cert);
    if (held === null || (held.certificate !== pair.certificate && kinds.get(entry.cert) !== kind)) continue;
    const record = {
      ...held,
      fingerprint: pair.leaf.fingerprint.startsWith(held.fingerprint) ? pair.leaf.fingerprint : held.fingerprint,
      notBefore: 0,
    };
    refuseForeignOrOlder(pair, record, { name: `profile ${path}`, mark: `its certificate ${entry.cert}` });
    return entry;
  }
  return entries.find((entry) => kinds.get(entry.cert) === kind) ?? null;
}

/** The previous generation stays for a rollback. BIG-IP itself refuses to delete what a profile still uses. */
async function tidy(session: F5Session, pair: IssuedCertificate, names: F5Names, signal: AbortSignal): Promise<void> {
  const own = (await listObjects(session, names.partition, signal)).flatMap((name) => {
    const held = parseName(name);
    return held !== null && held.certificate === pair.certificate && held.generation < pair.generation
      ? [{ name, generation: held.generation }]
      : [];
  });
  const previous = Math.max(0, ...own.map(({ generation }) => generation));
  for (const { name, generation } of own) if (generation < previous) await removeObject(session, name, signal);
}

function partitionOf(path: string): string {
  const parts = path.split("/");
  const [, partition] = parts;
  if (partition === undefined || partition === "")
    throw new RenewalError("deploy.refused", `${path} names no partition`);
  return partition;
}

function profileOf(options: F5Options, certificate: string): string {
  return resolveName(options.profile, certificate, PROFILE_RULE);
}
