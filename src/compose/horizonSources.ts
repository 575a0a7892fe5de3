import { dirname } from "node:path";
import type { Config } from "../config/config.ts";
import type { Clock } from "../domain/clock.ts";
import type { Deployer } from "../domain/deployer.ts";
import type { HorizonKind, HorizonSource } from "../domain/horizon.ts";
import type { Solver } from "../domain/issuer.ts";
import type { Store } from "../domain/store.ts";
import { accountAdmin } from "./accounts.ts";
import { azureApplications } from "./azureApplications.ts";

interface Places {
  readonly config: Config;
  readonly store: Store;
  readonly clock: Clock;
  deployer(name: string): Deployer;
  solver(name: string): Solver;
}

const NOBODY = { owner: null, runbook: null } as const;

/** All that has an end and that renewals need, apart from the certificates themselves. */
export function horizonSources(places: Places): HorizonSource[] {
  const { config } = places;
  return [
    ...declared(config),
    ...credentials(places),
    ...azureApplications(config),
    ...files(config),
    ...accounts(places),
    ...domains(config).flatMap((domain) => domainSources(config, domain)),
  ];
}

function declared({ horizon }: Config): HorizonSource[] {
  return horizon.declared.map(({ name, endsAt: ends, owner, runbook }) => ({
    ...{ kind: "declared", subject: name, owner, runbook },
    look: async () => [{ what: "declared end", ends, begins: null, note: "as the configuration says" }],
  }));
}

/** Whatever a target's or solver's own API tells of the credential that it is asked with. */
function credentials({ config, deployer, solver }: Places): HorizonSource[] {
  const of = (made: Deployer | Solver, subject: string, responsibility: Pick<HorizonSource, "owner" | "runbook">) => {
    const { credentials: look } = made;
    return look === undefined ? [] : [{ kind: "token" as const, subject, ...responsibility, look }];
  };
  return [
    // What only an agent deploys to cannot be asked from here.
    ...[...config.targets].flatMap(
      ([
        name,
        {
          agent,
          responsibility: { owner, runbook },
        },
      ]) => (agent ? [] : of(deployer(name), `target ${name}`, { owner, runbook })),
    ),
    ...[...config.solvers.keys()].flatMap((name) => of(solver(name), `solver ${name}`, NOBODY)),
  ];
}

/** Certificates that connections of renewd itself stand on. */
function files({ web, redis, store, issuers, targets, file }: Config): HorizonSource[] {
  const read = async () => import("../horizon/certificateFile.ts");
  const fromFile = (kind: HorizonKind, subject: string, path: string): HorizonSource => {
    return { kind, subject, ...NOBODY, look: async () => (await read()).certificateFileEnds(path) };
  };
  const fromText = (kind: HorizonKind, subject: string, pem: string, where: string): HorizonSource => {
    return { kind, subject, ...NOBODY, look: async () => (await read()).certificateEnds(pem, where) };
  };
  const { ca, cert } = redis?.tls ?? {};
  const database = store.kind === "postgresql" ? URL.parse(store.url.reveal())?.searchParams : undefined;
  const [storeCert, storeTrust] = [database?.get("sslcert"), database?.get("sslrootcert")];
  return [
    ...(web.tls === null ? [] : [fromFile("certificate", "web.tls", web.tls.certificate)]),
    ...(cert === undefined ? [] : [fromText("certificate", "redis client", cert, "redis.certificate")]),
    ...(ca === undefined ? [] : [fromText("trust", "redis trust", ca, "redis.trust")]),
    ...(storeCert ? [fromFile("certificate", "store client", storeCert)] : []),
    // `system`: the roots of the machine (libpq, "Client Verification of Server Certificates").
    ...(storeTrust && storeTrust !== "system" ? [fromFile("trust", "store trust", storeTrust)] : []),
    ...[...issuers].flatMap(([name, { trustPem }]) =>
      trustPem === null ? [] : [fromText("trust", `issuer ${name} trust`, trustPem, `issuers.${name}.trust`)],
    ),
    ...[...targets].flatMap(([name, { options }]) => {
      const trust = trustOf(options);
      return trust === null ? [] : [fromFile("trust", `target ${name} trust`, absolute(trust, file))];
    }),
  ];
}

/** Every kind of target calls the file of the CAs that it trusts `trust`. */
function trustOf(options: unknown): string | null {
  if (typeof options !== "object" || options === null || !("trust" in options)) return null;
  return typeof options.trust === "string" ? options.trust : null;
}

function absolute(path: string, configFile: string): string {
  return path.startsWith("/") ? path : `${dirname(configFile)}/${path}`;
}

/** Whether the CA still takes the account, and how old its key is. */
function accounts({ config, store, clock }: Places): HorizonSource[] {
  const used = new Set(config.certificates.flatMap(({ issuer, fallbacks }) => [issuer, ...fallbacks]));
  return [...config.issuers.keys()]
    .filter((name) => used.has(name))
    .map((name) => ({
      ...{ kind: "account", subject: `issuer ${name}`, ...NOBODY },
      async look(signal) {
        const facts = await (await accountAdmin({ config, store, clock }, name)).show(signal);
        if (facts === null) return [];
        const created = await store.events.list({ types: ["account.created"], limit: ACCOUNTS_MAX });
        const begins = created.find(({ detail }) => detail.issuer === name)?.at ?? null;
        return [{ what: "ACME account and its key", ends: null, begins, note: `the CA says: ${facts.status}` }];
      },
    }));
}

const ACCOUNTS_MAX = 100;

function domains({ certificates }: Config): string[] {
  const all = certificates.flatMap(({ registeredDomains }) => registeredDomains);
  // Addresses have no registry that ends them.
  return [...new Set(all)].filter((domain) => /[a-z]$/.test(domain)).sort();
}

function domainSources({ horizon: { rdap, signatures } }: Config, domain: string): HorizonSource[] {
  const registered: HorizonSource = {
    ...{ kind: "domain", subject: `domain ${domain}`, ...NOBODY },
    look: async (signal) => [
      await (await import("../horizon/registration.ts")).registrationEnd(rdap ?? "", domain, signal),
    ],
  };
  const signed: HorizonSource = {
    ...{ kind: "signatures", subject: `zone ${domain}`, ...NOBODY },
    async look(signal) {
      const { createLookup } = await import("../solvers/dns/lookup.ts");
      const { signatureEnd } = await import("../solvers/dns/signatures.ts");
      const found = await signatureEnd(createLookup(), domain, signal);
      return found === null ? [] : [found];
    },
  };
  return [...(rdap === null ? [] : [registered]), ...(signatures ? [signed] : [])];
}
