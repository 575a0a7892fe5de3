// Debian's lego and certbot, as a user runs them: real ACME clients beside renewd.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { Pebble } from "./ca/pebble.ts";

const RUN_MAX_MS = 60_000;

export interface ClientRun {
  /** null: it was ended, as it took too long. */
  readonly code: number | null;
  readonly output: string;
}

export interface OtherClients extends AsyncDisposable {
  readonly directory: string;
  /** Each run registers an account of its own; its certificates are in `certificates/` below `path`. */
  lego(
    names: readonly string[],
    options: { readonly dns: string; readonly path: string; readonly env: Record<string, string> },
  ): Promise<ClientRun>;
  /** By `--manual`, with these hooks. */
  certbot(names: readonly string[], hooks: { readonly auth: string; readonly cleanUp: string }): Promise<ClientRun>;
}

export async function otherClients({ directory: server, trustPem }: Pebble): Promise<OtherClients> {
  const directory = await mkdtemp(join(tmpdir(), "renewd-clients-"));
  const trust = join(directory, "trust.pem");
  await writeFile(trust, trustPem);
  const account = ["--server", server, "--email", "you@example.org"];
  const of = (names: readonly string[]): string[] => names.flatMap((name) => ["-d", name]);
  const run = (program: string, args: readonly string[], env: Readonly<Record<string, string>>) =>
    runClient(program, args, { cwd: directory, env: { HOME: directory, PATH: process.env.PATH ?? "", ...env } });
  return {
    directory,
    lego: (names, { dns, path, env }) =>
      run(
        "lego",
        // Its own look at DNS is not what is tried.
        [...account, "--accept-tos", "--path", path, ...of(names), "--dns", dns, "--dns.disable-cp", "run"],
        { LEGO_CA_CERTIFICATES: trust, LEGO_DISABLE_CNAME_SUPPORT: "true", ...env },
      ),
    certbot(names, { auth, cleanUp }) {
      const hooks = ["--manual", "--preferred-challenges", "dns", "--manual-auth-hook", auth];
      const places = ["config", "work", "logs"].flatMap((each) => [`--${each}-dir`, join("certbot", each)]);
      const args = ["certonly", ...hooks, "--manual-cleanup-hook", cleanUp, ...places, ...account];
      return run("certbot", [...args, "--agree-tos", "--non-interactive", ...of(names)], { REQUESTS_CA_BUNDLE: trust });
    },
    [Symbol.asyncDispose]: () => rm(directory, { recursive: true, force: true }),
  };
}

async function runClient(
  program: string,
  args: readonly string[],
  options: { readonly cwd: string; readonly env: Record<string, string> },
): Promise<ClientRun> {
  const child = spawn(program, args, { ...options, stdio: ["ignore", "pipe", "pipe"], timeout: RUN_MAX_MS });
  const printed = Promise.all([text(child.stdout), text(child.stderr)]);
  try {
    const [code]: (number | null)[] = await once(child, "close");
    return { code: code ?? null, output: (await printed).join("\n") };
  } catch (cause) {
    throw new Error(`${program} is not installed: run scripts/bootstrap.sh test, or apt-get install ${program}`, {
      cause,
    });
  }
}
