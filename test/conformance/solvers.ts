/**
 * `renewd/conformance`: what every solver promises, for those who write one. Its tests run under vitest, which the
 * plug-in's own package installs:
 *
 *     import { describeSolver } from "renewd/conformance";
 *     describeSolver("my-kind", async () => ({ solver, published, expected, occupy, [Symbol.asyncDispose]: stop }));
 */

export type { DnsRecord, DnsStore } from "../../src/domain/dnsRecord.ts";
export { type MemoryDns, memoryDns, solverDependencies } from "../support/dns/dependencies.ts";
export { challengeOf, type DnsSolverUnderTest, describeDnsSolver } from "./dnsProvider.ts";
export { describeSolver, type SolverUnderTest } from "./solver.ts";
