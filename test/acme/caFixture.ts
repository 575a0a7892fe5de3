import { createIssuer, type IssuerOptions } from "../../src/acme/issuer.ts";
import type { KeyType } from "../../src/domain/certificate.ts";
import type { IssueRequest, Issuer, NamedSolver, Solver } from "../../src/domain/issuer.ts";
import { http01 } from "../../src/solvers/http01.ts";
import { startHttp01Responder } from "../../src/web/http01.ts";
import { type AcmeProxy, startAcmeProxy } from "../support/ca/acmeProxy.ts";
import { type Pebble, type PebbleOptions, startPebble } from "../support/ca/pebble.ts";
import { named } from "../support/dns/dependencies.ts";
import { identifierOf } from "../support/identifier.ts";
import {
  type MemoryAccounts,
  type MemoryChallenges,
  memoryAccounts,
  memoryChallenges,
} from "../support/model/orderMemory.ts";

/** A Pebble behind a counting proxy, with renewd's own http-01 responder where Pebble looks for it. */
export interface CaFixture extends AsyncDisposable {
  readonly pebble: Pebble;
  readonly proxy: AcmeProxy;
  readonly accounts: MemoryAccounts;
  readonly challenges: MemoryChallenges;
  readonly solver: Solver;
  readonly solvers: readonly NamedSolver[];
  /** An issuer that goes through the proxy. */
  issuer(change?: Partial<IssuerOptions>): Issuer;
}

export async function startCa(options: PebbleOptions = {}): Promise<CaFixture> {
  const challenges = memoryChallenges();
  const responder = await startHttp01Responder({ host: "127.0.0.1", port: 0, challenges });
  const pebble = await startPebble({ ...options, httpPort: responder.port });
  const proxy = await startAcmeProxy(pebble);
  const accounts = memoryAccounts();
  const solver = http01.create({}, { challenges, now: Date.now });
  return {
    pebble,
    proxy,
    accounts,
    challenges,
    solver,
    solvers: [named(solver)],
    issuer: (change = {}) => createIssuer({ ...issuerOptions(proxy), ...change }, { accounts, now: Date.now }),
    async [Symbol.asyncDispose]() {
      await Promise.all([proxy.close(), pebble.stop(), responder.close()]);
    },
  };
}

export function issuerOptions({ directory, trustPem }: Pick<AcmeProxy, "directory" | "trustPem">): IssuerOptions {
  return {
    name: "pebble",
    directory,
    trustPem,
    contact: ["mailto:ops@example.com"],
    termsOfServiceAgreed: true,
    externalAccount: null,
    requestTimeoutMs: 10_000,
    orderTimeoutMs: 30_000,
  };
}

let count = 0;

/** A request for names no other test uses, unless named. */
export function request(
  names: readonly string[] = [`host-${++count}.example.org`],
  keyType: KeyType = "ecdsa-p256",
): IssueRequest {
  return { certificate: names[0] ?? "nameless", identifiers: names.map(identifierOf), keyType };
}

export function running(): AbortSignal {
  return new AbortController().signal;
}
