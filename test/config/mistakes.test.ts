import { describe, expect, test } from "vitest";
import { describeProblems } from "../../src/config/read/problems.ts";
import { configFile, estate } from "./configFile.ts";

describe("a wrong file", () => {
  test("tells every mistake at once, in its order, with file, line and column", async () => {
    await using file = await configFile(`version: 1
dataDri: x
issuers:
  le: { directory: http://ca.example/dir, termsOfServiceAgreed: false }
solvers: { web: { type: http-1 } }
targets: { edge: { type: files, bundle: /x.pem, ownr: tls } }
certificates:
  www:
    names: [www.example.org, "a b"]
    issuer: lee
    solver: web
    targets: [edge, egde]
    keyType: ecdsa-p265
    endpoints: ["www.example.org:0"]
`);
    expect(await file.problems()).toEqual([
      '2:1 dataDri: unknown key, did you mean "dataDir"?',
      "4:20 issuers.le.directory: must be an https URL without user or fragment: ACME refuses anything else (RFC 8555 §6.1)",
      "4:65 issuers.le.termsOfServiceAgreed: must be true: read the CA's terms of service and agree to them",
      '5:25 solvers.web.type: no such kind of solver, did you mean "http-01"?',
      '6:49 targets.edge.ownr: unknown key, did you mean "owner"?',
      "9:30 certificates.www.names[1]: must be a DNS name: letters, digits, hyphens and dots",
      '10:13 certificates.www.issuer: "lee" is not defined under `issuers`, did you mean "le"?',
      '12:21 certificates.www.targets[1]: "egde" is not defined under `targets`, did you mean "edge"?',
      '13:14 certificates.www.keyType: must be one of rsa-2048, rsa-3072, rsa-4096, ecdsa-p256, ecdsa-p384, did you mean "ecdsa-p256"?',
      "14:17 certificates.www.endpoints[0]: has a port outside 1 to 65535",
    ]);
    const result = await file.load();
    const [first] = result.ok ? [] : result.problems;
    expect(first && describeProblems([first])).toBe(`${file.file}:2:1: dataDri: unknown key, did you mean "dataDir"?`);
  });

  test.each([
    [
      "a certificate defined twice",
      estate(`  a: {}\n  b: {}\n  a: {}`),
      "14:3 certificates.a: defined twice, first in line 12: rename or remove one",
    ],
    [
      "a section defined twice",
      `version: 1\nlog: {}\nlog: {}\n`,
      "3:1 log: defined twice, first in line 2: rename or remove one",
    ],
    ["__proto__ as a key", `version: 1\nissuers:\n  __proto__: {}\n`, "3:3 issuers.__proto__: this key is not allowed"],
    ["a list as a key", `version: 1\nissuers:\n  [a]: {}\n`, "3:3 issuers: keys must be plain words"],
    ["no version", "log: {}\n", "1:1 version: is missing"],
    ["another version", "version: 2\n", "1:10 version: must be 1, the only version of this file format"],
    ["an empty section", "version: 1\nissuers:\n", "2:1 issuers: must be keys and values, but is empty"],
    ["a list for a section", "version: 1\nissuers: [a]\n", "2:10 issuers: must be keys and values, not a list"],
    [
      "a name in upper case",
      "version: 1\nsolvers: { Web: { type: http-01 } }\n",
      "2:12 solvers.Web: is not a valid name",
    ],
    [
      "a weekly report by a channel that is no mail",
      "version: 1\nnotifications: { chat: { type: slack, url: file:x } }\nreport: { channel: chat }\n",
      '3:20 report.channel: "chat" is no channel of type `smtp`: name one that is',
    ],
    [
      "a weekly report by a channel that is not there",
      "version: 1\nreport: { channel: mail }\n",
      '2:20 report.channel: "mail" is not defined under `notifications`',
    ],
    [
      "a name that climbs",
      "version: 1\nsolvers: { ../x: { type: http-01 } }\n",
      '2:12 solvers."../x": is not a valid name',
    ],
    [
      "a number without unit",
      "version: 1\nplanner: { tick: 60 }\n",
      "2:18 planner.tick: must be a whole number with its unit",
    ],
    ["a duration too short", "version: 1\nplanner: { sweep: 1ms }\n", "2:19 planner.sweep: must be at least 500ms"],
    ["a duration too long", "version: 1\nplanner: { tick: 2h }\n", "2:18 planner.tick: must be at most 1h"],
    [
      "a duration of a hundred digits",
      `version: 1\nplanner: { tick: ${"9".repeat(100)}d }\n`,
      "2:18 planner.tick: must be a whole number with its unit",
    ],
    ["a number out of range", "version: 1\nworkers: { issue: 0 }\n", "2:19 workers.issue: must be at least 1"],
    [
      "a fraction for a whole number",
      "version: 1\nworkers: { issue: 1.5 }\n",
      "2:19 workers.issue: must be a whole number",
    ],
    ["a port out of range", "version: 1\nhttp01: { port: 65536 }\n", "2:17 http01.port: must be at most 65535"],
    ["an unknown store", "version: 1\nstore: { type: mysql }\n", "2:16 store.type: must be one of sqlite, postgresql"],
    [
      "a mistyped kind of key",
      estate("  a: { names: [a.example], endpoints: [a.example], keyType: rsa2048 }"),
      '12:61 certificates.a.keyType: must be one of rsa-2048, rsa-3072, rsa-4096, ecdsa-p256, ecdsa-p384, did you mean "rsa-2048"?',
    ],
    ["no names", estate("  a: { endpoints: [a.example] }"), "12:3 certificates.a.names: is missing"],
    [
      "an empty list of endpoints",
      estate("  a: { names: [a.example], endpoints: [] }"),
      '12:39 certificates.a.endpoints: needs at least one endpoint: renewd calls a renewal succeeded only after a handshake with what clients meet (if no client meets target "edge", set `targets.edge.served: false`)',
    ],
    [
      "an unknown STARTTLS protocol",
      estate("  a: { names: [a.example], endpoints: [{ host: a.example, starttls: smpt }] }"),
      "12:69 certificates.a.endpoints[0].starttls: must be one of smtp, ",
    ],
    [
      "no endpoints",
      estate("  a: { names: [a.example] }"),
      "12:3 certificates.a.endpoints: needs at least one endpoint: renewd calls a renewal succeeded only after a handshake",
    ],
    [
      "more names than its CA certifies",
      estate(
        `  a: { names: [${Array.from({ length: 101 }, (_, i) => `n${i}.example`)}], endpoints: [n1.example] }`,
      ).replace("https://ca.example/dir", "https://acme-v02.api.letsencrypt.org/directory"),
      '12:15 certificates.a.names: has 101 names, but issuer "le" certifies at most 100 in one certificate',
    ],
    [
      "more than 1000 names",
      estate(`  a: { names: [${Array.from({ length: 1_001 }, (_, i) => `n${i}.example`)}], endpoints: [n1.example] }`),
      "12:15 certificates.a.names: has more than 1000 names",
    ],
    [
      "must-staple",
      estate("  a: { names: [a.example], endpoints: [a.example], mustStaple: true }"),
      "12:64 certificates.a.mustStaple: cannot be used: CAs ended OCSP",
    ],
    [
      "a name listed twice",
      estate("  a: { names: [a.example, A.example], endpoints: [a.example] }"),
      '12:27 certificates.a.names[1]: "a.example" is listed twice',
    ],
    [
      "a target listed twice",
      estate("  a: { names: [a.example], endpoints: [a.example], targets: [edge, edge] }"),
      '12:68 certificates.a.targets[1]: "edge" is listed twice',
    ],
    [
      "an endpoint listed twice",
      estate('  a: { names: [a.example], endpoints: [a.example, "a.example:443"] }'),
      "12:51 certificates.a.endpoints[1]: is listed twice",
    ],
    [
      "an endpoint of neither shape",
      estate("  a: { names: [a.example], endpoints: [443] }"),
      "12:40 certificates.a.endpoints[0]: must be text or keys and values",
    ],
    [
      "a mistake inside an endpoint",
      estate("  a: { names: [a.example], endpoints: [{ host: a.example, prot: 1 }] }"),
      '12:59 certificates.a.endpoints[0].prot: unknown key, did you mean "port"?',
    ],
    [
      "a server name the certificate does not cover",
      estate("  a: { names: [a.example], endpoints: [{ host: a.example, sni: b.example }] }"),
      '12:64 certificates.a.endpoints[0].sni: "b.example" is not covered by the certificate\'s names',
    ],
    [
      "a watched endpoint twice",
      estate(undefined, "watch: { one: a.example, two: { host: a.example, port: 443 } }"),
      '13:26 watch.two: is the same endpoint as "one": a.example@a.example:443',
    ],
    [
      "an endpoint of a foreign target",
      estate("  a: { names: [a.example], endpoints: [{ host: a.example, target: fixed }] }"),
      '12:67 certificates.a.endpoints[0].target: "fixed" is none of this certificate\'s targets; known: "edge"',
    ],
    [
      "a wildcard with http-01",
      estate('  a: { names: [a.example, "*.a.example"], endpoints: [a.example] }'),
      '12:27 certificates.a.names[1]: the wildcard "*.a.example" needs a dns-01 solver, but solver "web" answers http-01',
    ],
    [
      "an address with dns-01",
      estate("  a: { names: [192.0.2.1], solver: dns, endpoints: [192.0.2.1] }"),
      '12:16 certificates.a.names[0]: the IP address 192.0.2.1 needs an http-01 or tls-alpn-01 solver, but solver "dns" answers dns-01',
    ],
    [
      "two certificates that are the same",
      estate(
        "  a: { names: [a.example, b.example], endpoints: [a.example] }\n  b: { names: [b.example, a.example], endpoints: [b.example] }",
      ),
      "13:3 certificates.b: has the same names, key type and issuer as certificates.a in line 12",
    ],
    [
      "two certificates in one file",
      estate(
        "  a: { names: [a.example], endpoints: [a.example], targets: [fixed] }\n  b: { names: [b.example], endpoints: [b.example], targets: [fixed] }",
      ),
      '13:3 certificates.b: its target "fixed" would write "/etc/tls/fixed.pem", which belongs to certificates.a by target "fixed": give each its own',
    ],
    [
      "one certificate twice in one file",
      estate("  fixed: { names: [a.example], endpoints: [a.example], targets: [edge, fixed] }"),
      '12:3 certificates.fixed: its target "fixed" would write "/etc/tls/fixed.pem", which belongs to the same certificate by target "edge"',
    ],
    [
      "a trust file that does not exist",
      `version: 1\nissuers: { ca: { directory: "https://ca.example/", termsOfServiceAgreed: true, trust: nope.pem } }\n`,
      "2:87 issuers.ca.trust: the trust file",
    ],
    ...[
      ["a proxy with a password", "http://me:hunter2@proxy:3128", "must hold neither user nor password"],
      ["a proxy spoken to by TLS", "https://proxy:3128", "must be an http URL such as"],
      ["a proxy with a path", "http://proxy:3128/pac", "must be host and port only"],
    ].map(([mistake = "", proxy = "", message = ""]) => [
      mistake,
      `version: 1\nissuers: { ca: { directory: "https://ca.example/", termsOfServiceAgreed: true, proxy: "${proxy}" } }\n`,
      `2:87 issuers.ca.proxy: ${message}`,
    ]),
    [
      "a missing environment variable",
      "version: 1\nmasterKey: env:RENEWD_NOWHERE\n",
      "2:12 masterKey: the environment variable RENEWD_NOWHERE is not set",
    ],
    [
      "a secret file that does not exist",
      'version: 1\nstore: { type: postgresql, url: "file:nope" }\n',
      "2:33 store.url: the secret's file",
    ],
    [
      "Redis in two places",
      "version: 1\nredis: { url: redis://a, path: /b }\n",
      "2:32 redis.path: cannot be used beside url",
    ],
    [
      "Redis in no place",
      "version: 1\nredis: { prefix: x }\n",
      "2:8 redis: needs one of url, path, sentinels and cluster",
    ],
    ["Sentinels without a name", 'version: 1\nredis: { sentinels: ["a:1"] }\n', "2:8 redis: needs name"],
    [
      "a Cluster prefix without braces",
      'version: 1\nredis: { cluster: ["a:1"], prefix: x }\n',
      "2:36 redis.prefix: needs a part in braces",
    ],
    [
      "a client certificate for Redis without its key",
      "version: 1\nredis: { url: rediss://a, certificate: x }\n",
      "2:40 redis.certificate: needs key",
    ],
    [
      "a key for Redis without its certificate",
      "version: 1\nredis: { url: rediss://a, key: env:K }\n",
      "2:32 redis.key: needs certificate",
    ],
    [
      "a Sentinels' user for one Redis",
      "version: 1\nredis: { url: redis://a, sentinelUsername: x }\n",
      "2:44 redis.sentinelUsername: belongs to sentinels only",
    ],
    [
      "a Redis trust without TLS",
      "version: 1\nredis: { url: redis://a, trust: x }\n",
      "2:33 redis.trust: has no effect without TLS",
    ],
    [
      "no issuer anywhere",
      "version: 1\ntargets: { t: { type: files, bundle: /x } }\nsolvers: { w: { type: http-01 } }\ncertificates:\n  a: { names: [a.example], endpoints: [a.example], solver: w, targets: [t] }\n",
      "5:3 certificates.a: names no issuer: set `issuer` here or in `defaults`",
    ],
    [
      "a default that is not defined",
      'version: 1\nissuers: { letsencrypt: { directory: "https://ca.example/", termsOfServiceAgreed: true } }\ndefaults: { issuer: letsencrpt }\n',
      '3:21 defaults.issuer: "letsencrpt" is not defined under `issuers`, did you mean "letsencrypt"?',
    ],
  ])("%s", async (_, content, problem) => {
    await using file = await configFile(content);
    expect((await file.problems()).filter((each) => each.startsWith(problem))).toHaveLength(1);
  });

  test("a certificate with one mistake does not hide its others", async () => {
    await using file = await configFile(
      estate('  a: { names: ["*.a.example"], endpoints: [a.a.example], renewl: {}, targets: [fixd] }'),
    );
    expect(await file.problems()).toEqual([
      expect.stringContaining("needs a dns-01 solver"),
      '12:58 certificates.a.renewl: unknown key, did you mean "renewal"?',
      expect.stringContaining('did you mean "fixed"?'),
    ]);
  });

  test("a broken issuer or target is not also called unknown", async () => {
    await using file = await configFile(
      `version: 1\nissuers: { le: {} }\nsolvers: { w: { type: nope } }\ntargets: { t: 5 }\ncertificates:\n  a: { names: [a.example], endpoints: [a.example], issuer: le, solver: w, targets: [t] }\n`,
    );
    expect((await file.problems()).filter((each) => each.includes("certificates"))).toEqual([]);
  });

  test.each([
    ["a secret", "masterKey: hunter2-secret"],
    ["a Redis password in its URL", "redis: { url: redis://renewd:hunter2-secret@redis }"],
    ["a Redis password", "redis: { url: redis://redis, password: hunter2-secret }"],
    ["a database URL", "store: { type: postgresql, url: postgresql://u:hunter2-secret@db/x }"],
    [
      "an HMAC key",
      "issuers: { ca: { directory: https://ca.example/, termsOfServiceAgreed: true, externalAccount: { keyId: k, hmacKey: hunter2-secret } } }",
    ],
    [
      "a proxy's password",
      "issuers: { ca: { directory: https://ca.example/, termsOfServiceAgreed: true, proxy: http://me:hunter2-secret@proxy } }",
    ],
    ["an unfinished string", 'masterKey: "hunter2-secret'],
    ["a tag", "masterKey: !hunter2-secret x"],
    ["an alias", "masterKey: *hunter2-secret"],
  ])("is told without echoing %s", async (_, line) => {
    await using file = await configFile(`version: 1\n${line}\n`);
    const problems = await file.problems();
    expect(problems).not.toEqual([]);
    expect(problems.join("\n")).not.toContain("hunter2");
  });

  test("a hostile key cannot break a line or a terminal", async () => {
    await using file = await configFile('version: 1\n"\\e[31mred\\nnew line\\u202e": 1\n');
    const [problem] = await file.problems();
    expect(problem).toMatch(/^2:1 .*unknown key/);
    expect(problem).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u);
  });
});
