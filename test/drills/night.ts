// A person on call who knows nothing but `renewd status`: something breaks, status must name it, and its advice, typed
// as it stands, must fix it.
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createRoot } from "../support/ca/pki.ts";
import { type Haproxy, startHaproxy } from "../support/servers/haproxy.ts";
import { type Nginx, startNginx } from "../support/servers/nginx.ts";
import { type Postgres, startPostgres } from "../support/servers/postgres.ts";
import { type CommandResult, type RenewdProcess, renewd, startRenewd } from "../support/system/renewd.ts";
import { type System, startSystem, WORKER_ROLES, type WorkerRole } from "../support/system/system.ts";
import { until } from "../support/until.ts";

const NAME = "www.example.org";
/** The promise: named within a minute, and green within another. */
const NAMED_MAX_MS = 60_000;
const GREEN_MAX_MS = 60_000;

export interface Screen {
  readonly needsPerson: boolean;
  readonly notices: readonly Finding[];
  readonly problems: readonly {
    readonly certificate: string;
    readonly needsPerson: boolean;
    readonly problems: readonly { readonly kind: string; readonly what: string }[];
    readonly errors: readonly { readonly code: string; readonly message: string }[];
    readonly actions: readonly string[];
  }[];
}

interface Finding {
  readonly kind: string;
  readonly what: string;
  readonly action: string;
  readonly needsPerson: boolean;
}

/** One fault of the night. */
export interface Fault {
  readonly title: string;
  readonly break: (night: Night) => Promise<void>;
  /** What the screen must say, in what it says needs a person. */
  readonly named: RegExp;
  /** Whether somebody has to be called; default true. */
  readonly isRed?: boolean;
  /** What a person does that is no command of renewd: such as starting Redis, when the advice says so. */
  readonly byHand?: (night: Night) => Promise<void>;
  /** The commands of the advice that are to be typed; absent: none. */
  readonly typed?: RegExp;
  /** Undoes what only the drill did, once all is green. */
  readonly after?: (night: Night) => Promise<void>;
  /** It needs the database server. */
  readonly onPostgres?: true;
}

export interface Night extends AsyncDisposable {
  readonly system: System;
  readonly nginx: Nginx;
  readonly haproxy: Haproxy;
  /** null: the database is embedded. */
  readonly postgres: Postgres | null;
  readonly home: string;
  process(role: WorkerRole): RenewdProcess;
  start(role: WorkerRole, env?: Readonly<Record<string, string>>): Promise<void>;
  status(env?: Readonly<Record<string, string>>): Promise<CommandResult>;
  renewd(...args: string[]): Promise<CommandResult>;
}

export async function startNight({ onPostgres = false }: { readonly onPostgres?: boolean } = {}): Promise<Night> {
  await using starting = new AsyncDisposableStack();
  const home = await mkdtemp(join(tmpdir(), "renewd-night-"));
  starting.defer(() => rm(home, { recursive: true, force: true }));
  const old = await (await createRoot()).issue({ names: [NAME] });
  const nginx = starting.use(await startNginx({ certificates: { www: { serverNames: [NAME], ...old } } }));
  const haproxy = starting.use(await startHaproxy({ certificates: { www: old } }));
  const postgres = onPostgres ? starting.use(await startPostgres()) : null;
  const url = join(home, "database.url");
  if (postgres !== null) await writeFile(url, (await postgres.createDatabase()).reveal(), { mode: 0o600 });
  const file = (name: string): string => `${nginx.directory}/{certificate}/${name}.pem`;
  const system = starting.use(
    await startSystem({
      redis: { appendonly: true },
      // Each order validates its names.
      pebble: { env: { PEBBLE_AUTHZREUSE: "0" } },
      sections: {
        ...(postgres !== null && { store: { type: "postgresql", url: `file:${url}` } }),
        observation: { every: "30s" },
        notifications: { ops: { type: "command", command: [join(home, "page")], from: "info" } },
      },
      targets: {
        web: {
          type: "nginx",
          fullchain: file("fullchain"),
          privkey: file("privkey"),
          configFile: nginx.configFile,
          prefix: nginx.prefix,
        },
        lb: { type: "haproxy", socket: haproxy.socket, file: `${haproxy.directory}/{certificate}.pem` },
      },
      certificates: {
        www: {
          names: [NAME],
          targets: ["web", "lb"],
          endpoints: [nginx, haproxy].map(({ port }) => ({ host: "127.0.0.1", port, sni: NAME })),
        },
      },
    }),
  );
  const running = new Map<WorkerRole, RenewdProcess>();
  starting.defer(() => Promise.all([...running.values()].map((each) => each.stop())).then(() => {}));
  const command = (...args: string[]): Promise<CommandResult> => renewd(["-c", system.configFile, ...args]);
  const start: Night["start"] = async (role, env = {}) => {
    const yes = role === "planner" ? ["--yes"] : [];
    const started = startRenewd(["-c", system.configFile, "worker", role, ...yes], env);
    running.set(role, started);
    await started.logged("renewd is running");
  };
  const stack = starting.move();
  return {
    system,
    nginx,
    haproxy,
    postgres,
    home,
    process(role) {
      const found = running.get(role);
      if (found === undefined) throw new Error(`no ${role} was started`);
      return found;
    },
    start,
    status: (env = {}) => renewd(["-c", system.configFile, "status"], env),
    renewd: command,
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
}

export async function allRoles(night: Night): Promise<void> {
  await Promise.all(WORKER_ROLES.map((role) => night.start(role)));
}

/** Waits until `status` alone is green. */
export async function green(night: Night): Promise<void> {
  let last = "";
  await until(
    "a green screen",
    async () => {
      const { code, stdout, stderr } = await night.status();
      last = stdout + stderr;
      return code === 0 && stdout.includes("1 proved live") ? true : null;
    },
    GREEN_MAX_MS,
  ).catch((error: Error) => {
    throw new Error(`${error.message}:\n${last}`);
  });
}

/** Breaks, waits until status names it, types its advice, and waits for green. Returns how long each took. */
export async function suffer(night: Night, fault: Fault): Promise<{ namedMs: number; greenMs: number }> {
  await fault.break(night);
  const broken = performance.now();
  let last = "";
  const screen = await until(
    `status to name it (${fault.title})`,
    async () => {
      const { code, stdout, stderr } = await night.status();
      last = stdout + stderr;
      return (code !== 0 || fault.isRed === false) && fault.named.test(unwrapped(last)) ? unwrapped(last) : null;
    },
    NAMED_MAX_MS,
  ).catch((error: Error) => {
    throw new Error(`${error.message}; it said:\n${last}`);
  });
  const namedMs = performance.now() - broken;
  await fault.byHand?.(night);
  if (fault.typed !== undefined) await typeAdvice(night, screen, fault.typed);
  const mended = performance.now();
  await green(night);
  const greenMs = performance.now() - mended;
  await fault.after?.(night);
  return { namedMs, greenMs };
}

/** One line a finding: a terminal's line ends are not part of what is said. */
function unwrapped(text: string): string {
  return text.replace(/\n {10,}/g, " ");
}

/** Every command of the screen that matches, as a person would copy it from the backticks. */
async function typeAdvice(night: Night, screen: string, wanted: RegExp): Promise<void> {
  const commands = [...screen.matchAll(/`renewd -c \S+ ([^`]+)`/g)]
    .map(([, args = ""]) => args)
    .filter((args) => wanted.test(args));
  if (commands.length === 0) throw new Error(`the advice has no command ${wanted}:\n${screen}`);
  for (const args of new Set(commands)) {
    const [name, role] = args.split(" ");
    const started = WORKER_ROLES.find((each) => each === role);
    if (name === "worker" && started !== undefined) await night.start(started);
    else {
      const { code, stderr } = await night.renewd(...args.split(" "));
      if (code !== 0) throw new Error(`\`renewd ${args}\` ended with ${code}: ${stderr}`);
    }
  }
}
