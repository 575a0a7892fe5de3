// The bridges behind the engine: a program of the user that keeps values in a file, called in each bridge's way.
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describeDnsSolver } from "../../../conformance/dnsProvider.ts";
import { solverDependencies } from "../../../support/dns/dependencies.ts";
import { startApiFake } from "../../../support/fakes/api.ts";
import { createAcmeShHome } from "../../../support/pairs/acmeShHome.ts";
import { SOLVERS } from "../../../support/plugins.ts";

/** `values NAME VALUE add|rm`: each is idempotent, and many may run at once. */
const PROGRAM = `#!/bin/sh
exec 9>>"$0.lock"; flock 9
touch "$0.values"
grep -vxF -e "$1 $2" "$0.values" > "$0.new" || true
[ "$3" = add ] && printf '%s\\n' "$1 $2" >> "$0.new"
mv "$0.new" "$0.values"
`;

type Write = (program: string, root: string) => Promise<Readonly<Record<string, unknown>>>;

const script = async (path: string, body: string): Promise<string> => {
  await writeFile(path, `#!/bin/sh\n${body}\n`, { mode: 0o755 });
  return path;
};

const BRIDGES: Readonly<Record<string, Write>> = {
  async exec(program, root) {
    const body = `case $1 in present) action=add;; *) action=rm;; esac\n${program} "\${2%.}" "$3" $action`;
    return { command: [await script(join(root, "exec"), body)] };
  },
  async "certbot-hooks"(program, root) {
    const hook = (action: string) => `${program} "_acme-challenge.$CERTBOT_DOMAIN" "$CERTBOT_VALIDATION" ${action}`;
    return {
      authHook: [await script(join(root, "auth"), hook("add"))],
      cleanupHook: [await script(join(root, "clean-up"), hook("rm"))],
    };
  },
  async "acme.sh"(program, root) {
    const home = await createAcmeShHome(join(root, "acme.sh"));
    const body = (action: string): string => `${program} "$1" "$2" ${action}`;
    await home.dnsapi("dns_mine", { info: "Mine\n", add: body("add"), rm: body("rm") });
    return { home: home.path, script: "dns_mine" };
  },
};

for (const [type, write] of Object.entries(BRIDGES)) {
  describeDnsSolver(type, async () => {
    const root = await mkdtemp(join(tmpdir(), "renewd-bridges-"));
    const program = join(root, "values");
    await writeFile(program, PROGRAM, { mode: 0o755 });
    const written = await write(program, root);
    return subject(type, written, {
      values: async (name) =>
        (await readFile(`${program}.values`, "utf8").catch(() => ""))
          .split("\n")
          .flatMap((line) => (line.startsWith(`${name} `) ? [line.slice(name.length + 1)] : [])),
      close: () => rm(root, { recursive: true, force: true }),
    });
  });
}

describeDnsSolver("httpreq", async () => {
  const held = new Set<string>();
  const fake = await startApiFake(({ path, body }) => {
    const { fqdn, value } = JSON.parse(body);
    if (path === "/present") held.add(`${fqdn} ${value}`);
    else held.delete(`${fqdn} ${value}`);
    return { status: 200, body: "" };
  });
  return subject(
    "httpreq",
    { endpoint: fake.origin },
    {
      values: async (name) =>
        [...held].flatMap((one) => (one.startsWith(`${name}. `) ? [one.slice(name.length + 2)] : [])),
      close: () => fake.stop(),
    },
  );
});

function subject(
  type: string,
  written: Readonly<Record<string, unknown>>,
  { values, close }: { values(name: string): Promise<string[]>; close(): Promise<void> },
) {
  const plugin = SOLVERS.find((one) => one.type === type);
  if (plugin === undefined) throw new Error(`no solver ${type}`);
  const options = plugin.options.parse({ ...written, follow: "never", propagation: { check: "none" } });
  return {
    zone: "example.org",
    solver: (dependencies: Parameters<typeof solverDependencies>[0]) =>
      plugin.create(options, solverDependencies(dependencies)),
    values,
    // These contracts have no list: what others put there, renewd never sees.
    occupy: null,
    [Symbol.asyncDispose]: close,
  };
}
