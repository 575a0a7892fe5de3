// Every snippet of docs/port80.md in the server it is for: the challenge reaches renewd's responder, the rest is
// redirected.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { globSync, readFileSync } from "node:fs";
import { chmod, mkdtemp, rm, writeFile } from "node:fs/promises";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startHttp01Responder } from "../../src/web/http01.ts";
import { freePort } from "../support/freePort.ts";
import { until } from "../support/until.ts";

const TOKEN = "a-token_of-the-CA";
const page = readFileSync(new URL("../../docs/port80.md", import.meta.url), "utf8");

interface Server {
  readonly argv: readonly [string, ...string[]];
  readonly file: string;
  /** What a whole configuration needs around the snippet. */
  readonly around: (snippet: string, home: string) => string;
}

const apacheModules = ["mpm_event", "authz_core", "proxy", "proxy_http", "alias"];
const SERVERS: Readonly<Record<string, (home: string) => Server>> = {
  nginx: (home) => ({
    argv: ["nginx", "-p", home, "-c", join(home, "nginx.conf")],
    file: "nginx.conf",
    around: (snippet) => `daemon off; pid ${home}/pid; error_log stderr error; events {}
      http { access_log off; ${["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((kind) => `${kind}_temp_path ${home}/${kind};`).join(" ")}
      ${snippet} }`,
  }),
  haproxy: (home) => ({
    argv: ["haproxy", "-db", "-f", join(home, "haproxy.cfg")],
    file: "haproxy.cfg",
    around: (snippet) =>
      `defaults\n  mode http\n  timeout connect 5s\n  timeout client 5s\n  timeout server 5s\n${snippet}`,
  }),
  apache: (home) => {
    const [modules = ""] = globSync("/usr/lib{,64}/{apache2,httpd}/modules");
    return {
      argv: ["apache2", "-d", home, "-f", join(home, "httpd.conf"), "-D", "FOREGROUND"],
      file: "httpd.conf",
      around: (snippet) =>
        `${apacheModules.map((name) => `LoadModule ${name}_module ${modules}/mod_${name}.so\n`).join("")}` +
        `ServerName localhost\nPidFile httpd.pid\nDefaultRuntimeDir ${home}\nErrorLog error.log\nListen PORT80\n${snippet}`,
    };
  },
  caddy: (home) => ({
    argv: ["caddy", "run", "--adapter", "caddyfile", "--config", join(home, "Caddyfile")],
    file: "Caddyfile",
    around: (snippet) => `{\n  admin off\n}\n${snippet}`,
  }),
};

let home: string;
beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), "renewd-port80-"));
  await chmod(home, 0o755);
});
afterEach(() => rm(home, { recursive: true, force: true }));

test.each(Object.keys(SERVERS))("%s forwards the challenge and redirects the rest", async (name) => {
  const [, snippet = expect.unreachable()] = new RegExp(`\`\`\`${name}\n(.*?)\`\`\``, "s").exec(page) ?? [];
  const challenges = {
    put: async () => {},
    remove: async () => {},
    get: async (token: string) => (token === TOKEN ? `${TOKEN}.thumbprint` : null),
  };
  const responder = await startHttp01Responder({ host: "127.0.0.1", port: 0, challenges });
  const port = await freePort();
  const { argv, file, around } = (SERVERS[name] ?? expect.unreachable())(home);
  const configuration = around(snippet, home)
    .replaceAll("127.0.0.1:8402", `127.0.0.1:${responder.port}`)
    .replace(/^ *listen \[::\]:80;$/m, "")
    .replaceAll("PORT80", `127.0.0.1:${port}`)
    .replace("listen 80;", `listen 127.0.0.1:${port};`)
    .replace("bind :80", `bind 127.0.0.1:${port}`)
    .replace("*:80>", `*:${port}>`)
    .replace("http://www.example.org {", `http://www.example.org:${port} {`);
  await writeFile(join(home, file), configuration);
  const [program, ...args] = argv;
  const child = spawn(program, args, {
    stdio: "ignore",
    env: { PATH: `${process.env.PATH}:/usr/sbin`, HOME: home, XDG_DATA_HOME: home, XDG_CONFIG_HOME: home },
  });
  const ended = once(child, "exit");
  try {
    const challenge = await until(`${name} to forward`, () =>
      ask(port, `/.well-known/acme-challenge/${TOKEN}`).catch(() => null),
    );
    expect(challenge).toMatchObject({ status: 200, body: `${TOKEN}.thumbprint` });
    const rest = await ask(port, "/login?x=1");
    expect([301, 302, 308]).toContain(rest.status);
    expect(rest.location).toMatch(/^https:\/\/www\.example\.org/);
    expect((await ask(port, "/.well-known/acme-challenge/unknown")).status).toBe(404);
  } finally {
    child.kill("SIGTERM");
    await ended;
    await responder.close();
  }
});

async function ask(port: number, path: string) {
  const call = request({ host: "127.0.0.1", port, path, headers: { host: "www.example.org" }, agent: false }).end();
  const [answer] = await once(call, "response");
  return { status: answer.statusCode, location: answer.headers.location ?? "", body: await text(answer) };
}
