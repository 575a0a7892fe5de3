import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { loadConfig } from "../../src/config/load.ts";
import { createRoot, type IssuedPair } from "../support/ca/pki.ts";
import { runCaptured } from "../support/system/installation.ts";
import { machineWith } from "./machine.ts";

let directory: string;
let file: string;
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "renewd-init-"));
  file = join(directory, "renewd.yaml");
});
afterEach(() => rm(directory, { recursive: true }));

const init = (root: string, ...args: string[]) =>
  runCaptured([
    "-c",
    file,
    "init",
    "--no-input",
    "--agree-tos",
    "--root",
    root,
    "--data-dir",
    join(directory, "data"),
    ...args,
  ]);

const pairFor = async (...names: string[]): Promise<IssuedPair> => (await createRoot()).issue({ names });

async function proposed(root: string) {
  const { code, stderr } = await init(root);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const result = await loadConfig(file);
  if (!result.ok) throw new Error(JSON.stringify(result.problems));
  return {
    certificates: result.config.certificates.map(({ name, identifiers, targets, endpoints }) => ({
      name,
      names: identifiers.map(({ value }) => value),
      targets,
      endpoints: endpoints.map(({ host, port }) => `${host}:${port}`),
    })),
    text: await readFile(file, "utf8"),
  };
}

const NGINX_SITE = `
# server { listen 1 ssl; }
server { listen 80; server_name www.example.org; return 301 "https://$host{}"; }
server {
  listen 443 ssl; listen [::]:443 ssl;
  server_name www.example.org _ ~^regex;
  ssl_certificate /etc/letsencrypt/live/www/fullchain.pem;
  ssl_certificate_key /etc/letsencrypt/live/www/privkey.pem;
}`;

const certbotState = (name: string, authenticator: string): string => `
privkey = /etc/letsencrypt/live/${name}/privkey.pem
fullchain = /etc/letsencrypt/live/${name}/fullchain.pem
[renewalparams]
authenticator = ${authenticator}
server = https://acme-staging-v02.api.letsencrypt.org/directory
[[webroot_map]]
www.example.org = /srv/www
`;

describe("renewd init proposes a valid configuration", () => {
  test("for nginx over certbot's files: same files, same CA, same webroot, a reload", async () => {
    const { certPem, keyPem } = await pairFor("www.example.org", "example.org");
    await using machine = await machineWith({
      "/etc/nginx/nginx.conf": "http { include sites-enabled/*; }",
      "/etc/nginx/sites-enabled/www": NGINX_SITE,
      "/etc/letsencrypt/renewal/www.conf": certbotState("www", "webroot"),
      "/etc/letsencrypt/live/www/fullchain.pem": certPem,
      "/etc/letsencrypt/live/www/privkey.pem": keyPem,
    });
    const { certificates, text } = await proposed(machine.root);
    expect(certificates).toEqual([
      {
        name: "www",
        names: ["www.example.org", "example.org"],
        targets: ["certbot"],
        endpoints: ["www.example.org:443"],
      },
    ]);
    expect(text).toContain('certbot: { type: certbot, lineage: "{certificate}", command: [nginx, "-s", reload] }');
    expect(text).toContain("webroot: { type: webroot, directory: /srv/www }");
    expect(text).toContain("acme-staging-v02.api.letsencrypt.org");
  });

  test("for HAProxy, Apache and Caddy with files of their own; one target for files that differ by name", async () => {
    const pairs = await Promise.all(["a.example.org", "b.example.org"].map((name) => pairFor(name)));
    const [a, b] = pairs.map(({ certPem, keyPem }) => certPem + keyPem);
    await using machine = await machineWith({
      "/etc/haproxy/haproxy.cfg":
        "global\n stats socket /run/haproxy/admin.sock level admin\nfrontend f\n bind :80\n bind :443 ssl crt /etc/haproxy/certs/ # all\n",
      "/etc/haproxy/certs/a.example.org.pem": a ?? "",
      "/etc/haproxy/certs/b.example.org.pem": b ?? "",
      "/etc/apache2/apache2.conf": "IncludeOptional sites-enabled/*.conf\n",
      "/etc/apache2/sites-enabled/c.conf":
        '<VirtualHost *:8443>\n ServerName c.example.org\n SSLCertificateFile "/etc/ssl/c.crt"\n SSLCertificateKeyFile /etc/ssl/c.key\n</VirtualHost>\n',
      "/etc/caddy/Caddyfile": "d.example.org {\n  tls /etc/caddy/d.pem /etc/caddy/d.pem\n}\nauto.example.org {\n}\n",
    });
    const { certificates, text } = await proposed(machine.root);
    expect(certificates.map(({ name, targets, endpoints }) => [name, targets[0], endpoints[0]])).toEqual([
      ["c.example.org", "apache", "c.example.org:8443"],
      ["a.example.org", "haproxy", "a.example.org:443"],
      ["b.example.org", "haproxy", "b.example.org:443"],
      ["d.example.org", "caddy", "d.example.org:443"],
    ]);
    expect(text).toContain('file: "/etc/haproxy/certs/{certificate}.pem"');
    // HAProxy has port 80, so renewd's responder cannot.
    expect(text).toContain("http01: { host: 127.0.0.1, port: 8402 }");
  });

  test("for what acme.sh and lego renew, with what cannot work yet as a comment that says why", async () => {
    const { certPem } = await pairFor("l.example.org");
    await using machine = await machineWith({
      "/root/.acme.sh/s.example.org_ecc/s.example.org.conf":
        "Le_Domain='s.example.org'\nLe_Alt='no'\nLe_Webroot='no'\nLe_API='https://acme.zerossl.com/v2/DV90'\n",
      "/root/.acme.sh/w.example.org/w.example.org.conf":
        "Le_Domain='*.w.example.org'\nLe_Alt='w.example.org'\nLe_Webroot='dns_cf'\n",
      "/var/lib/lego/certificates/l.example.org.json": "{}",
      "/var/lib/lego/certificates/l.example.org.crt": certPem,
    });
    const { certificates, text } = await proposed(machine.root);
    expect(certificates.map(({ name }) => name)).toEqual(["s.example.org", "l.example.org"]);
    expect(text).toContain("# NOT READY: it is validated by dns-01 (cf) today: add a solver for it");
    expect(text).toContain("acme.zerossl.com");
  });

  test("with the command that the client before runs after a renewal: as the target's, beside a server to read", async () => {
    const command = `systemctl reload postfix && echo "done: {} $HOME"`;
    const coded = Buffer.from(command).toString("base64");
    const state = (name: string, line: string) => `Le_Domain='${name}'\nLe_Webroot='no'\n${line}\n`;
    await using machine = await machineWith({
      "/root/.acme.sh/mail.example.org/mail.example.org.conf": state(
        "mail.example.org",
        `Le_ReloadCmd='__ACME_BASE64__START_${coded}__ACME_BASE64__END_'`,
      ),
      "/root/.acme.sh/odd.example.org/odd.example.org.conf": state("odd.example.org", "Le_ReloadCmd='a\u001b[2Jb'"),
      "/etc/nginx/nginx.conf": "http { include sites-enabled/*; }",
      "/etc/nginx/sites-enabled/www": NGINX_SITE,
      "/etc/letsencrypt/renewal/www.conf": certbotState("www", "webroot\nrenew_hook = systemctl reload nginx dovecot"),
    });
    await proposed(machine.root);
    const read = await loadConfig(file);
    if (!read.ok) throw new Error(JSON.stringify(read.problems));
    const options = [...read.config.targets.values()].map((target) => target.options);
    expect(options).toContainEqual(expect.objectContaining({ command: ["sh", "-c", command] }));
    const text = await readFile(file, "utf8");
    expect(text).toContain("# After a renewal certbot runs: systemctl reload nginx dovecot");
    expect(text).not.toContain("[2J");
  });

  test("with an example to fill in where nothing is found", async () => {
    await using machine = await machineWith({});
    expect((await proposed(machine.root)).certificates).toEqual([]);
  });

  test("without a file whose path could be YAML of its own, and says so", async () => {
    await using machine = await machineWith({
      "/etc/nginx/nginx.conf":
        'http { server { listen 443 ssl; server_name x.example.org; ssl_certificate "/etc/a\\" }\n  b [ # "; ssl_certificate_key /k; } }',
    });
    const { stdout } = await init(machine.root);
    expect(stdout).toContain("b [ #  is named as a certificate file, and renewd cannot write such a path");
    expect((await loadConfig(file)).ok).toBe(true);
  });
});

describe("renewd init", () => {
  test("overwrites no file unless told to", async () => {
    await using machine = await machineWith({});
    await init(machine.root);
    const before = await readFile(file, "utf8");
    const again = await init(machine.root, "--contact", "ops@example.org");
    expect(again.code).toBe(2);
    expect(again.stderr).toContain("exists already");
    expect(await readFile(file, "utf8")).toBe(before);
    expect((await init(machine.root, "--contact", "ops@example.org", "--force")).code).toBe(0);
    expect(await readFile(file, "utf8")).toContain("ops@example.org");
  });

  test("prints the commands to type next, `import` for each pair among them", async () => {
    const { certPem, keyPem } = await pairFor("a.example.org");
    await using machine = await machineWith({
      "/etc/haproxy/haproxy.cfg": "frontend f\n bind :443 ssl crt /etc/haproxy/a.pem\n",
      "/etc/haproxy/a.pem": certPem + keyPem,
    });
    const { stdout } = await init(machine.root);
    expect(stdout).toContain(
      `renewd -c ${file} import a.example.org --certificate /etc/haproxy/a.pem --key /etc/haproxy/a.pem`,
    );
    expect(stdout).toContain(`renewd -c ${file} plan`);
  });

  test("refuses to guess where nobody can be asked, and a CA that is no URL", async () => {
    const asked = await runCaptured(["-c", file, "init", "--root", directory]);
    expect(asked.stderr).toContain("--contact, --ca, --agree-tos and --data-dir say what you would be asked");
    const unknown = await init(directory, "--ca", "http://ca.example.org");
    expect(unknown.stderr).toContain("--ca: must be letsencrypt");
    expect([asked.code, unknown.code]).toEqual([2, 2]);
  });
});
