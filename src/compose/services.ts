import { statSync } from "node:fs";
import { dirname } from "node:path";
import type { BoundName } from "../acme/boundRecords.ts";
import type { CaaLookup } from "../acme/caa.ts";
import type { Config } from "../config/config.ts";
import { processEnvironment } from "../config/read/environment.ts";
import { readCsr } from "../config/read/readCsr.ts";
import { readSecret } from "../config/read/readSecret.ts";
import { budgetOf } from "../config/schema/limits.ts";
import { unlimited } from "../domain/budget.ts";
import type { Clock } from "../domain/clock.ts";
import type { Deployer } from "../domain/deployer.ts";
import { DNS_PERSIST, standingName } from "../domain/dnsPersist.ts";
import { RenewalError } from "../domain/errors.ts";
import type { Issuer, Solver } from "../domain/issuer.ts";
import type { Channel } from "../domain/notification.ts";
import { remembered } from "../domain/remember.ts";
import type { Secret } from "../domain/secret.ts";
import type { SecretReference } from "../domain/secretReference.ts";
import { provesDomain } from "../domain/solverChoice.ts";
import type { Store } from "../domain/store.ts";
import type { ConfiguredServices, RehearsalOffice } from "../renewal/context.ts";
import { narrowed } from "../renewal/rules/compatibility.ts";
import { horizonSources } from "./horizonSources.ts";
import { accountsByDirectory, issuerOptions } from "./issuerOptions.ts";
import { peerSources } from "./peerSources.ts";
import { trustSystemAuthorities } from "./systemTrust.ts";

export interface ReloadableServices extends ConfiguredServices {
  /** From now on this configuration holds; what is running finishes with what it has. */
  replace(config: Config): void;
  /** Where the issuer's CA answers; the name itself for one that is not configured. */
  caHost(issuer: string): string;
}

/** Makes issuers, solvers and deployers when first asked for: a deployer process never builds an ACME client. */
export function createServices(initial: Config, store: Store, clock: Clock): ReloadableServices {
  let config = initial;
  let made = makers(config, store, clock);
  let byName = new Map(config.certificates.map((certificate) => [certificate.name, certificate]));
  return {
    certificates: () => config.certificates,
    certificate: (name) => byName.get(name) ?? null,
    watched: () => config.watched,
    issuer: (name) => made.issuer(name),
    issuerNames: () => [...config.issuers.keys()],
    budget: (name) => config.issuers.get(name)?.budget ?? unlimited(name),
    configuredBy: () => ({
      file: config.file,
      changedAt: statSync(config.file, { throwIfNoEntry: false })?.mtime.getTime() ?? null,
    }),
    horizon: () => horizonSources({ config, store, clock, deployer: made.deployer, solver: made.solver }),
    peers: () => peerSources(config, secretOf(config)),
    async expiredPair(good, now) {
      return (await import("../x509/expiredPair.ts")).createExpiredPair(good, now);
    },
    async weeklyReport(until) {
      const { weekReport } = await import("../reports/week.ts");
      const { weekInWords } = await import("../reports/weekWords.ts");
      return weekInWords(await weekReport(store, config.certificates, until, clock.now()));
    },
    rehearsal: (name) => rehearsalOf(config, name, store, clock),
    ownCsr: ({ name, csr }) => csr && (() => readCsr(name, csr, dirname(config.file), processEnvironment)),
    solver: (name) => made.solver(name),
    solvers: ({ solvers }) =>
      solvers.map((name) => ({ name, zones: config.solvers.get(name)?.zones ?? [], solver: made.solver(name) })),
    deployer: (name) => made.deployer(name),
    channels: () => made.channels,
    responsibility: (name) => config.targets.get(name)?.responsibility ?? null,
    reloads: (name) => config.targets.get(name)?.plugin.reloads ?? false,
    limits(name) {
      const target = config.targets.get(name);
      return target === undefined ? {} : narrowed(target.plugin.limits?.(target.options) ?? {}, target.takes);
    },
    caAddress: (name) => config.issuers.get(name) ?? null,
    places(name, certificate) {
      const target = config.targets.get(name);
      return target?.plugin.occupies?.(target.options, certificate) ?? [];
    },
    caHost: (name) => URL.parse(config.issuers.get(name)?.directory ?? "")?.host ?? name,
    hasAgent: (name) => config.targets.get(name)?.agent ?? false,
    replace(next) {
      // What throws comes first: a configuration is replaced whole or not at all.
      made = makers(next, store, clock);
      config = next;
      byName = new Map(config.certificates.map((certificate) => [certificate.name, certificate]));
    },
  };
}

function rehearsalOf(config: Config, name: string, store: Store, { now }: Clock): RehearsalOffice {
  const options = config.issuers.get(name);
  if (options === undefined || options.staging === null) return { issuer: null, budget: unlimited(name) };
  const staged = { ...options, directory: options.staging };
  return {
    issuer: lateIssuer(async () => {
      trustSystemAuthorities();
      return (await import("../acme/issuer.ts")).createIssuer(issuerOptions(staged, config), {
        accounts: accountsByDirectory(store.accounts, [...config.issuers.keys()]),
        now,
        caa: await authoritativeCaa(),
      });
    }),
    budget: budgetOf(name, options.staging),
  };
}

interface Makers {
  issuer(name: string): Issuer;
  solver(name: string): Solver;
  deployer(name: string): Deployer;
  readonly channels: ReadonlyMap<string, Channel>;
}

function secretOf({ file }: Config): (reference: SecretReference) => Promise<Secret> {
  return (reference) => readSecret(reference, dirname(file), processEnvironment);
}

function makers(config: Config, store: Store, { now }: Clock): Makers {
  const secret = secretOf(config);
  return {
    issuer: once("issuer", config.issuers, (options) =>
      lateIssuer(async () => {
        trustSystemAuthorities();
        return (await import("../acme/issuer.ts")).createIssuer(issuerOptions(options, config), {
          accounts: accountsByDirectory(store.accounts, [...config.issuers.keys()]),
          now,
          caa: await authoritativeCaa(),
          names: () => boundNames(config, options.name),
        });
      }),
    ),
    solver: once("solver", config.solvers, ({ plugin, options, name }) => {
      // A DNS provider, or a bridge, may be inside the company.
      if (provesDomain(plugin.challengeType ?? "")) trustSystemAuthorities();
      return plugin.create(options, { solver: name, challenges: store.challenges, dns: store.dns, secret, now });
    }),
    deployer: once("target", config.targets, ({ plugin, options, name }) => {
      trustSystemAuthorities();
      return plugin.create(options, { target: name, secret });
    }),
    channels: new Map(
      [...config.notifications].map(([name, { plugin, options, from, about }]) => [
        name,
        {
          from,
          ...(about !== null && { about }),
          keepsAlerts: plugin.keepsAlerts ?? false,
          takesAcknowledgements: plugin.takesAcknowledgements ?? false,
          ...(plugin.repeatMs !== undefined && { repeatMs: plugin.repeatMs }),
          send: withSystemTrust(plugin.create(options, { channel: name, secret })),
        },
      ]),
    ),
  };
}

/** What an account of the issuer is needed for. */
function boundNames({ certificates, solvers }: Config, issuer: string): readonly BoundName[] {
  return certificates
    .filter((certificate) => [certificate.issuer, ...certificate.fallbacks].includes(issuer))
    .flatMap(({ identifiers, solvers: listed }) => {
      const standing = listed.some((name) => solvers.get(name)?.plugin.challengeType === DNS_PERSIST);
      const dns = identifiers.filter(({ type }) => type === "dns");
      return dns.map((identifier) => ({ ...standingName(identifier), standing }));
    });
}

function withSystemTrust(send: Channel["send"]): Channel["send"] {
  return (...request) => {
    trustSystemAuthorities();
    return send(...request);
  };
}

function once<Definition, Made>(
  noun: string,
  definitions: ReadonlyMap<string, Definition>,
  make: (definition: Definition) => Made,
): (name: string) => Made {
  const made = new Map<string, Made>();
  return (name) => {
    const known = made.get(name);
    if (known !== undefined) return known;
    const definition = definitions.get(name);
    if (definition === undefined)
      throw new RenewalError("config.removed", `${noun} "${name}" is not in this process's configuration; reload it`);
    const fresh = make(definition);
    made.set(name, fresh);
    return fresh;
  };
}

/** The ACME client takes half a second to load, which commands and the other workers need not wait for. */
function lateIssuer(load: () => Promise<Issuer>): Issuer {
  const issuer = remembered(load);
  return {
    issue: async (...request) => (await issuer()).issue(...request),
    clearAnswers: async (...order) => (await issuer()).clearAnswers?.(...order),
    revoke: async (...request) => {
      const { revoke } = await issuer();
      if (revoke === undefined) throw new RenewalError("request.invalid", "this issuer cannot revoke");
      return revoke(...request);
    },
    eligibility: async (...request) =>
      (await (await issuer()).eligibility?.(...request)) ?? { obstacle: null, notes: [] },
    renewalInfo: async (leafPem, signal) => (await (await issuer()).renewalInfo?.(leafPem, signal)) ?? null,
    readDirectory: async (signal) => (await issuer()).readDirectory?.(signal),
    standing: async (signal) => (await (await issuer()).standing?.(signal)) ?? null,
    clockAheadMs: async (signal) => (await (await issuer()).clockAheadMs?.(signal)) ?? null,
  };
}

/** CAs ask every authoritative server, from several places. */
async function authoritativeCaa(): Promise<CaaLookup> {
  const { createCaaLookup } = await import("../solvers/dns/caa.ts");
  const { createLookup } = await import("../solvers/dns/lookup.ts");
  return createCaaLookup(createLookup());
}
