import { stringify } from "yaml";
import { DNS_ZONE, type Peers } from "./peers.ts";

/** Names in the order they are shown; what is expected of each decides the demo's exit code. */
export const EXPECTED = {
  expired: "succeeded",
  window: "succeeded",
  missing: "succeeded",
  renamed: "succeeded",
  wildcard: "succeeded",
  cloud: "succeeded",
  broken: "failed",
  healthy: "left alone",
} as const;
export type DemoName = keyof typeof EXPECTED;
export const NAMES = Object.keys(EXPECTED) as DemoName[]; // Object.keys forgets the literal types.

/** The demo's renewd.yaml: short waits, otherwise what a user would write. */
export function demoConfig(peers: Peers, trustFile: string, dataDir: string): string {
  const { pebble, haproxy, nginx, plain, acm, resolver, dnsPort } = peers;
  const certificate = (name: string, target: string, port: number, more: object = {}): object => ({
    names: [`${name}.demo.test`],
    targets: [target],
    endpoints: [{ host: "127.0.0.1", port, sni: `${name}.demo.test` }],
    ...more,
  });
  return stringify({
    version: 1,
    dataDir,
    http01: { host: "127.0.0.1", port: pebble.httpPort },
    planner: { tick: "1s", sweep: "1s" },
    retry: { deployAttempts: 2, backoff: ["2s", "20s", "5m"] },
    issuers: {
      pebble: { directory: pebble.directory, trust: trustFile, contact: ["ops@demo.test"], termsOfServiceAgreed: true },
    },
    dnsServer: { hosts: ["127.0.0.1"], port: dnsPort },
    solvers: {
      http: { type: "http-01" },
      // On the Internet it listens on port 53 and is found by NS records; here only the demo's resolver knows it.
      dns: {
        type: "dns-server",
        domains: [DNS_ZONE],
        nameServers: { [`ns1.${DNS_ZONE}`]: ["127.0.0.1"] },
        resolvers: [`127.0.0.1:${resolver.port}`],
        propagation: { check: "resolvers" },
      },
    },
    targets: {
      haproxy: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` },
      "broken-haproxy": {
        type: "haproxy",
        socket: `${haproxy.directory}/no-such.sock`,
        file: `${haproxy.directory}/{certificate}.pem`,
      },
      nginx: {
        type: "nginx",
        fullchain: `${nginx.directory}/{certificate}/fullchain.pem`,
        privkey: `${nginx.directory}/{certificate}/privkey.pem`,
        configFile: nginx.configFile,
        prefix: nginx.prefix,
      },
      files: {
        type: "files",
        directory: plain.directory,
        fullchain: "{certificate}/fullchain.pem",
        privkey: "{certificate}/privkey.pem",
        command: ["nginx", "-p", plain.prefix, "-c", plain.configFile, "-s", "reload"],
      },
      acm: { type: "aws-acm", region: acm.region, endpoint: acm.endpoint },
    },
    defaults: { issuer: "pebble", solver: "http", verifyTimeout: "60s" },
    certificates: {
      expired: certificate("expired", "haproxy", haproxy.port),
      window: certificate("window", "nginx", nginx.port),
      missing: certificate("missing", "files", plain.port, { keyType: "ecdsa-p384" }),
      renamed: certificate("renamed", "haproxy", haproxy.port),
      wildcard: {
        names: ["wildcard.demo.test", "*.wildcard.demo.test"],
        solver: "dns",
        targets: ["haproxy"],
        endpoints: ["shop.wildcard.demo.test", "wildcard.demo.test"].map((sni) => ({
          ...{ host: "127.0.0.1", port: haproxy.port, sni },
        })),
      },
      // ACM wants the leaf's algorithm to be its CA's, and Pebble signs with RSA.
      cloud: certificate("cloud", "acm", acm.tlsPort, { keyType: "rsa-2048" }),
      broken: certificate("broken", "broken-haproxy", haproxy.port),
      healthy: certificate("healthy", "haproxy", haproxy.port),
    },
  });
}
