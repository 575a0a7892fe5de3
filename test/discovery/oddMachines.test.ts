// Machines as they are found: links, copies, left-overs, two key types, and files that mean harm.
import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { proposeConfiguration } from "../../src/compose/proposal.ts";
import { loadConfig } from "../../src/config/load.ts";
import { createRoot } from "../support/ca/pki.ts";
import { machineWith } from "./machine.ts";

const ANSWERS = {
  contact: null,
  directory: "https://ca.example.org/dir",
  termsOfServiceAgreed: true,
  dataDir: "/var/lib/renewd",
};

const propose = (root: string) => proposeConfiguration(root, ANSWERS, new AbortController().signal);

/** What was proposed, which must be a valid file. */
async function proposed(root: string) {
  const proposal = await propose(root);
  const directory = await mkdtemp(join(tmpdir(), "renewd-odd-"));
  try {
    await writeFile(join(directory, "renewd.yaml"), proposal.text);
    const result = await loadConfig(join(directory, "renewd.yaml"));
    expect(result.ok ? [] : result.problems).toEqual([]);
  } finally {
    await rm(directory, { recursive: true });
  }
  return proposal;
}

const lineage = (name: string, server = "https://ca.example.org/dir"): string =>
  `privkey = /etc/letsencrypt/live/${name}/privkey.pem\nfullchain = /etc/letsencrypt/live/${name}/fullchain.pem\n` +
  `[renewalparams]\nauthenticator = nginx\nserver = ${server}\n`;

const nginx = (...servers: readonly string[]) => ({ "/etc/nginx/nginx.conf": `http { ${servers.join("\n")} }` });
const site = (file: string, key = file, listen = "listen 443 ssl;", name = "www.example.org"): string =>
  `server { ${listen} server_name ${name}; ssl_certificate ${file}; ssl_certificate_key ${key}; }`;

const authority = await createRoot();
const pair = await authority.issue({ names: ["www.example.org"] });

test("a link to certbot's file is certbot's certificate, and proposed once", async () => {
  await using machine = await machineWith({
    ...nginx(
      site("/etc/ssl/www.pem", "/etc/ssl/www.key"),
      site("/etc/letsencrypt/live/www/cert.pem", "/etc/ssl/www.key"),
    ),
    "/etc/letsencrypt/renewal/www.conf": lineage("www"),
    "/etc/letsencrypt/archive/www/fullchain1.pem": pair.certPem,
    "/etc/letsencrypt/archive/www/privkey1.pem": pair.keyPem,
  });
  const at = (path: string): string => join(machine.root, path);
  await mkdir(at("/etc/letsencrypt/live/www"), { recursive: true });
  await mkdir(at("/etc/ssl"), { recursive: true });
  for (const [link, to] of [
    ["/etc/letsencrypt/live/www/fullchain.pem", "/etc/letsencrypt/archive/www/fullchain1.pem"],
    ["/etc/letsencrypt/live/www/privkey.pem", "/etc/letsencrypt/archive/www/privkey1.pem"],
    ["/etc/ssl/www.pem", "/etc/letsencrypt/live/www/fullchain.pem"],
    ["/etc/ssl/www.key", "/etc/letsencrypt/live/www/privkey.pem"],
  ] as const)
    await symlink(at(to), at(link));
  const { certificates } = await proposed(machine.root);
  expect(certificates).toMatchObject([
    { name: "www", renewedBy: "certbot", servers: ["nginx"], targets: [{ type: "certbot" }], obstacle: null },
  ]);
});

test("a bundle that a deploy hook copied keeps the client's CA, and goes where the server reads", async () => {
  await using machine = await machineWith({
    "/etc/haproxy/haproxy.cfg": "frontend f\n bind :443 ssl crt /etc/haproxy/site.pem\n",
    "/etc/haproxy/site.pem": pair.certPem + pair.keyPem,
    "/etc/letsencrypt/renewal/www.conf": lineage("www", "https://acme-staging-v02.api.letsencrypt.org/directory"),
    "/etc/letsencrypt/live/www/fullchain.pem": pair.certPem,
  });
  expect((await proposed(machine.root)).certificates).toMatchObject([
    {
      name: "www",
      renewedBy: "certbot",
      certificate: "/etc/haproxy/site.pem",
      directory: "https://acme-staging-v02.api.letsencrypt.org/directory",
    },
  ]);
});

test("a second lineage of the same names that nothing reads is not ready, and says of which it is the double", async () => {
  const again = await authority.issue({ names: ["www.example.org"] });
  await using machine = await machineWith({
    ...nginx(site("/etc/letsencrypt/live/www-0001/fullchain.pem", "/etc/letsencrypt/live/www-0001/privkey.pem")),
    "/etc/letsencrypt/renewal/www.conf": lineage("www"),
    "/etc/letsencrypt/renewal/www-0001.conf": lineage("www-0001"),
    "/etc/letsencrypt/live/www/fullchain.pem": pair.certPem,
    "/etc/letsencrypt/live/www-0001/fullchain.pem": again.certPem,
  });
  expect((await proposed(machine.root)).certificates.map(({ name, obstacle }) => [name, obstacle])).toEqual([
    ["www-0001", null],
    ["www", "www-0001 has the same names, and no server was found that reads this one"],
  ]);
});

test("an RSA pair beside an ECDSA one stays RSA, and each goes to nginx and to Apache", async () => {
  const rsa = await authority.issue({ names: ["www.example.org"], keyType: "rsa-2048" });
  await using machine = await machineWith({
    ...nginx(
      "server { listen 443 ssl; listen [::]:8443 ssl; listen unix:/run/x.sock ssl; server_name www.example.org;" +
        " ssl_certificate /n/ec.pem; ssl_certificate_key /n/ec.key; ssl_certificate /n/rsa.pem;" +
        " ssl_certificate_key /n/rsa.key; }",
    ),
    "/n/ec.pem": pair.certPem,
    "/n/rsa.pem": rsa.certPem,
    "/etc/apache2/apache2.conf":
      "<VirtualHost 192.0.2.1 [2001:db8::1]:9443>\nSSLCertificateFile /a/ec.pem\nSSLCertificateKeyFile /a/ec.key\n" +
      "SSLCertificateFile /a/rsa.pem\nSSLCertificateKeyFile /a/rsa.key\n</VirtualHost>\n",
    "/a/ec.pem": pair.certPem,
    "/a/rsa.pem": rsa.certPem,
  });
  const { certificates, text } = await proposed(machine.root);
  const endpoints = ["www.example.org:443", "www.example.org:8443", "www.example.org:9443"];
  // The configuration takes one of each names and key type, so one goes to both servers.
  expect(certificates.map(({ keyType, targets, ...each }) => [keyType, targets.length, each.endpoints])).toEqual([
    ["ecdsa-p256", 2, endpoints],
    ["rsa-2048", 2, endpoints],
  ]);
  expect(text.match(/keyType: rsa-2048/g)?.length).toBe(1);
});

test("nginx's stream, Caddy's import and HAProxy's admin socket are found; a crt-store is named", async () => {
  await using machine = await machineWith({
    "/etc/nginx/nginx.conf": `stream { ${site("/s.pem", "/s.key", "listen 993 ssl;", "mail.example.org")} }`,
    "/etc/caddy/Caddyfile": "import sites/*\n",
    "/etc/caddy/sites/c": "c.example.org {\n tls /c.pem /c.key\n}\n",
    "/etc/haproxy/haproxy.cfg":
      "global\n stats socket /run/ro.sock level user\n stats socket /run/admin.sock level admin\n" +
      "frontend f\n bind :443 ssl crt @web/a.pem crt /h/\n",
    "/h/.hidden.pem": "x",
    "/h/h.example.org.pem": pair.certPem,
  });
  const { certificates, discovery } = await proposed(machine.root);
  expect(certificates.map(({ certificate, targets: [target] }) => [certificate, target?.socket ?? null])).toEqual([
    ["/s.pem", null],
    ["/h/h.example.org.pem", "/run/admin.sock"],
    ["/c.pem", null],
  ]);
  expect(discovery.unreadable).toEqual([expect.stringContaining("crt-store")]);
});

test("a file that is not understood is named, with the line from which nothing was read", async () => {
  const lua = `server { content_by_lua_block {\n -- rock 'n roll\n } }\n${site("/late.pem")}`;
  await using machine = await machineWith(nginx(site("/early.pem"), lua));
  const { certificates, discovery } = await proposed(machine.root);
  expect(certificates.map(({ certificate }) => certificate)).toEqual(["/early.pem"]);
  expect(discovery.unreadable).toEqual([
    "/etc/nginx/nginx.conf is not understood from line 3 on: what follows is not read",
  ]);
});

test("includes that name each other, a hundred thousand braces and a strange CA end in a valid file", async () => {
  await using machine = await machineWith({
    "/etc/nginx/nginx.conf": "include nginx.conf; include b.conf;",
    "/etc/nginx/b.conf": `include nginx.conf; ${"x {".repeat(100_000)}`,
    "/etc/letsencrypt/renewal/www.conf": lineage("www", "http://ca\u0085evil: [ # "),
    "/etc/letsencrypt/live/www/fullchain.pem": pair.certPem,
  });
  const { certificates, discovery } = await proposed(machine.root);
  expect(certificates).toMatchObject([{ obstacle: expect.stringContaining("its CA today is no https:// URL") }]);
  expect(discovery.unreadable.length).toBeGreaterThan(0);
});

test("1,100 lineages that nginx serves are all proposed", async () => {
  const names = Array.from({ length: 1_100 }, (_, index) => `n${index}.example.org`);
  await using machine = await machineWith({
    ...nginx(
      ...names.map((name) =>
        site(
          `/etc/letsencrypt/live/${name}/fullchain.pem`,
          `/etc/letsencrypt/live/${name}/privkey.pem`,
          undefined,
          name,
        ),
      ),
    ),
    ...Object.fromEntries(names.map((name) => [`/etc/letsencrypt/renewal/${name}.conf`, lineage(name)])),
  });
  const { certificates } = await propose(machine.root);
  expect(certificates.map(({ name }) => name)).toEqual(names);
  expect(certificates.every(({ renewedBy, obstacle }) => renewedBy === "certbot" && obstacle === null)).toBe(true);
});
