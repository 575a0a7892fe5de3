import { describe, expect, test } from "vitest";
import { createRoot } from "../support/ca/pki.ts";
import { configFile, estate } from "./configFile.ts";

describe("a right file", () => {
  test("becomes certificates completed by defaults, with absolute paths", async () => {
    await using file = await configFile(estate());
    const config = await file.config();
    expect(config).toMatchObject({
      file: file.file,
      dataDir: `${file.directory}/data`,
      masterKey: { file: `${file.directory}/data/master.key` },
      store: { kind: "sqlite", file: `${file.directory}/data/renewd.db` },
      redis: null,
      tracing: null,
      http01: { host: "::", port: 80 },
      planner: { tickMs: 60_000, sweepMs: 5_000, batch: 200 },
      workers: { issue: 4, deploy: 8, verify: 16 },
      retry: { issueAttempts: 5, deployAttempts: 4, backoffMs: [60_000, 600_000, 6_000_000, 86_400_000] },
      log: { level: "info" },
    });
    expect(config.certificates).toEqual([
      {
        name: "www",
        definedIn: expect.stringMatching(/renewd\.yaml$/),
        identifiers: [{ type: "dns", value: "www.example.org" }],
        issuer: "le",
        fallbacks: [],
        dropDeadNames: false,
        mode: "renew",
        keyType: "ecdsa-p256",
        solvers: ["web"],
        targets: ["edge"],
        endpoints: [{ host: "www.example.org", port: 443, sni: "www.example.org", target: null }],
        registeredDomains: ["example.org"],
        maintenance: { windows: [], freezes: [] },
        profile: null,
        preferredChain: null,
        reuseKey: false,
        csr: null,
        responsibility: { owner: null, team: null, labels: {}, criticality: "normal", runbook: null },
        policy: { renewAtFractionLeft: null, jitterFraction: 0.1 },
        waves: [],
        onWaveFailure: "fail",
        verifyTimeoutMs: 60_000,
        allDistrusted: false,
        digest: expect.stringMatching(/^[0-9a-f]{64}$/),
        issueDigest: expect.stringMatching(/^[0-9a-f]{64}$/),
        issuerDirectories: [expect.stringMatching(/^https:/)],
        targetDigests: { edge: expect.stringMatching(/^[0-9a-f]{64}$/) },
      },
    ]);
    expect(config.targets.get("edge")).toMatchObject({
      name: "edge",
      type: "files",
      options: { bundle: "/etc/tls/{certificate}.pem", commandTimeout: 60_000 },
    });
    expect(config.solvers.get("web")?.plugin.type).toBe("http-01");
  });

  test("lets a certificate say everything itself", async () => {
    await using file = await configFile(
      estate(`  www:
    names: [example.org, 192.0.2.1]
    keyType: rsa-3072
    targets: [edge, fixed]
    renewal: { atFractionLeft: 0.5, jitter: 0 }
    verifyTimeout: 5m
    endpoints: [{ host: 192.0.2.1, port: 8443, sni: example.org, target: fixed }]`),
    );
    const [www] = (await file.config()).certificates;
    expect(www).toMatchObject({
      keyType: "rsa-3072",
      targets: ["edge", "fixed"],
      policy: { renewAtFractionLeft: 0.5, jitterFraction: 0 },
      verifyTimeoutMs: 300_000,
      endpoints: [{ host: "192.0.2.1", port: 8443, sni: "example.org", target: "fixed" }],
    });
  });

  test.each([
    ["the host, when the certificate covers it", "[www.example.org, example.org]", "example.org:443", "example.org"],
    ["the first name, for an internal host", "[www.example.org, example.org]", "lb1.internal:443", "www.example.org"],
    ["the first name, for an address", '["*.example.org", example.org]', "192.0.2.1:443", "example.org"],
    ["a host below a wildcard", '["*.example.org"]', "a.example.org:443", "a.example.org"],
    ["the address, for a certificate of addresses", "[192.0.2.1]", "192.0.2.1:443", "192.0.2.1"],
  ])("asks an endpoint for %s", async (_, names, endpoint, sni) => {
    await using file = await configFile(
      estate(`  www: { names: ${names}, endpoints: ["${endpoint}"], solver: ${names.includes("*") ? "dns" : "web"} }`),
    );
    expect((await file.config()).certificates[0]?.endpoints[0]?.sni).toBe(sni);
  });

  test("a CA that is not known to allow only 100 names may get more, unless its own limit says otherwise", async () => {
    const names = Array.from({ length: 101 }, (_, i) => `n${i}.example`);
    const text = estate(`  www: { names: [${names}], endpoints: [n1.example] }`);
    await using unlimited = await configFile(text);
    expect((await unlimited.config()).certificates[0]?.identifiers).toHaveLength(101);
    await using limited = await configFile(text.replace('/dir",', '/dir", namesMax: 50,'));
    expect(await limited.problems()).toEqual([expect.stringContaining("certifies at most 50 in one certificate")]);
  });

  test("an endpoint says how it is dialled, and a STARTTLS protocol brings its port", async () => {
    const endpoints = `[{ host: mail.example.org, starttls: smtp },
      { host: mail.example.org, port: 1143, starttls: imap, handshakeTimeout: 30s }, { host: db, proxyProtocol: v2 }]`;
    await using file = await configFile(estate(`  www: { names: [mail.example.org], endpoints: ${endpoints} }`));
    const base = { host: "mail.example.org", sni: "mail.example.org", target: null };
    expect((await file.config()).certificates[0]?.endpoints).toEqual([
      { ...base, port: 25, starttls: "smtp" },
      { ...base, port: 1143, starttls: "imap", handshakeTimeoutMs: 30_000 },
      { ...base, host: "db", port: 443, proxyProtocol: "v2" },
    ]);
  });

  test.each([
    ["a secret store", "{ type: vault, address: https://vault.example, auth: { token: env:TOKEN } }"],
    ["a target that no client meets", "{ type: files, bundle: /etc/tls/x.pem, served: false }"],
  ])("a certificate that goes to %s alone needs no endpoint", async (_what, target) => {
    await using file = await configFile(
      estate("  www: { names: [www.example.org] }").replace(/edge: \{.*\}/, `edge: ${target}`),
    );
    expect((await file.config()).certificates[0]?.endpoints).toEqual([]);
  });

  test("sends traces where it says, with headers that are secrets", async () => {
    const url = "http://127.0.0.1:4318/v1/traces";
    const tracing = `tracing: { url: "${url}", headers: { authorization: "env:OTLP_TOKEN" } }`;
    await using file = await configFile(`${estate()}\n${tracing}\n`);
    const config = await file.config({ OTLP_TOKEN: "planted" });
    expect(config.tracing).toMatchObject({ url, ratio: 1 });
    expect(config.tracing?.headers.authorization?.reveal()).toBe("planted");
    expect(JSON.stringify(config.tracing)).not.toContain("planted");
  });

  test("reads secrets and trust files into their places", async () => {
    const root = await createRoot();
    await using file = await configFile(`version: 1
masterKey: env:MASTER
store: { type: postgresql, url: "file:database.url" }
redis:
  sentinels: ["s1:26379", "[::1]:26379"]
  name: main
  password: env:REDIS
  sentinelUsername: watcher
  sentinelPassword: env:SENTINEL
  tls: true
  trust: root.pem
  certificate: root.pem
  key: file:client.key
issuers:
  ca:
    directory: https://ca.example/dir
    contact: [ops@example.org]
    termsOfServiceAgreed: true
    trust: root.pem
    proxy: http://proxy.example:3128
    externalAccount: { keyId: k1, hmacKey: env:HMAC }
`);
    await file.write("database.url", "postgresql://renewd:pw@db/renewd\n");
    await file.write("root.pem", root.certPem);
    await file.write("client.key", root.keyPem);
    const config = await file.config({ MASTER: "m", REDIS: "r", SENTINEL: "s", HMAC: "h" });
    const issuer = config.issuers.get("ca");
    expect("key" in config.masterKey && config.masterKey.key.reveal()).toBe("m");
    expect(config.store.kind === "postgresql" && config.store.url.reveal()).toBe("postgresql://renewd:pw@db/renewd");
    expect(issuer).toMatchObject({
      contact: ["mailto:ops@example.org"],
      trustPem: root.certPem,
      proxy: "http://proxy.example:3128",
      requestTimeoutMs: 30_000,
      externalAccount: { keyId: "k1" },
    });
    expect(issuer?.externalAccount?.hmacKey).toEqual({ kind: "env", at: "HMAC" });
    expect(config.redis).toMatchObject({
      kind: "sentinel",
      name: "main",
      prefix: "{renewd}",
      tls: { ca: root.certPem, cert: root.certPem },
      sentinelUsername: "watcher",
      sentinels: [
        { host: "s1", port: 26379 },
        { host: "::1", port: 26379 },
      ],
    });
    expect(config.redis?.password?.reveal()).toBe("r");
    expect(config.redis?.tls?.key?.reveal().trim()).toBe(root.keyPem.trim());
    expect(config.redis?.kind === "sentinel" && config.redis.sentinelPassword?.reveal()).toBe("s");
    expect(JSON.stringify(config)).not.toMatch(/:pw@|"[mrsh]"/);
  });

  test.each([
    ["a URL", "{ url: redis://redis:6379/2 }", { kind: "single", url: "redis://redis:6379/2" }],
    [
      "a socket",
      "{ path: /run/redis.sock, username: renewd }",
      { kind: "single", path: "/run/redis.sock", username: "renewd" },
    ],
    [
      "a Cluster",
      '{ cluster: ["a:1", "b:2"] }',
      {
        kind: "cluster",
        nodes: [
          { host: "a", port: 1 },
          { host: "b", port: 2 },
        ],
      },
    ],
  ])("takes Redis as %s", async (_, redis, expected) => {
    await using file = await configFile(estate(undefined, `redis: ${redis}`));
    expect((await file.config()).redis).toEqual({ ...expected, prefix: "{renewd}" });
  });

  test("may repeat itself by a few aliases", async () => {
    await using file = await configFile(
      estate(
        `  a: &a { names: [a.example.org], endpoints: &e ["a.example.org:443"], keyType: rsa-2048 }\n  b: { names: [a.example.org], endpoints: *e }`,
      ),
    );
    expect((await file.config()).certificates.map(({ name }) => name)).toEqual(["a", "b"]);
  });
});
