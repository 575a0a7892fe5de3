import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { build, type Plugin } from "esbuild";
import { z } from "zod";
import { ASSETS, assetSource } from "../src/web/assets/index.ts";

/**
 * dist/ for the package and the image: renewd and the packages it always needs in a few files, which start several
 * times faster than the thousand files of node_modules. `tsc` writes the declarations beside them.
 */
const ROOT = join(import.meta.dirname, "..");
const ENTRIES = ["src/cli/main.ts", "src/index.ts", "workers/*.ts", "test/conformance/solvers.ts"];
/** Of `renewd/conformance`: whoever writes a plug-in brings it. */
const TEST_FRAMEWORK = "vitest";
/** What bundled CommonJS packages would load if it were installed; all of them work without. */
const NOT_NEEDED = ["pg-native", "msgpackr-extract"];
/** Bundled, and a dependency as well: the declarations of plugins name its types. */
const ALSO_FOR_TYPES = ["zod"];
/**
 * BullMQ and renewd tell errors apart by the names of their classes. The bundler could keep all names, but each function
 * would then be named again whenever it is made, which takes 2 % of a renewal's processor time. axios names its own.
 */
const RENAMED_ERROR = /\bclass _(?!AxiosError)\w+ extends \w*Error\b|\bvar \w+\d = class extends \w*Error\b/g;
const LICENCE_FILE = /^(licen[cs]e|copying|notice)([-.].*)?$/i;

/** zod speaks fifty languages; renewd asks it for English only. */
const zodInEnglish: Plugin = {
  name: "zod in English",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^\.\.\/locales\/index\.js$/ }, ({ resolveDir }) => ({
      namespace: "zod-in-english",
      path: join(resolveDir, "../locales/index.js"),
    }));
    onLoad({ filter: /./, namespace: "zod-in-english" }, ({ path }) => ({
      contents: 'export { default as en } from "./en.js";',
      resolveDir: dirname(path),
    }));
  },
};

/**
 * Of acme-client renewd asks signatures and what becomes of refused nonces. Its transport, and its own keys and
 * certificates, are never reached, and would take a third of the memory of an idle process.
 */
const acmeClientSigns: Plugin = {
  name: "acme-client signs",
  setup({ onResolve, onLoad }) {
    const stands: Readonly<Record<string, string>> = {
      "./axios": "",
      "./crypto/forge": "",
      asn1js: "",
      // Told about Node's own when it is loaded.
      "@peculiar/x509": "exports.cryptoProvider = { set() {} };",
    };
    onResolve({ filter: /^(\.\/axios|\.\/crypto\/forge|asn1js|@peculiar\/x509)$/ }, ({ path, importer }) =>
      importer.includes("/node_modules/acme-client/") ? { namespace: "acme-client-signs", path } : null,
    );
    onLoad({ filter: /./, namespace: "acme-client-signs" }, ({ path }) => ({ contents: stands[path] ?? "" }));
  },
};

/** prom-client asks OpenTelemetry for traces to name beside its own counters, which renewd never has it do. */
const promClientWithoutTraces: Plugin = {
  name: "prom-client without traces",
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^@opentelemetry\/api$/ }, ({ path, importer }) =>
      importer.includes("/node_modules/prom-client/") ? { namespace: "no-traces", path } : null,
    );
    onLoad({ filter: /./, namespace: "no-traces" }, () => ({ contents: "" }));
  },
};

const manifestSchema = z.object({
  name: z.string(),
  version: z.string(),
  license: z.string().optional(),
  dependencies: z.record(z.string(), z.string()).default({}),
  peerDependencies: z.record(z.string(), z.string()).default({}),
});

const manifestOf = (directory: string) =>
  manifestSchema.parse(JSON.parse(readFileSync(join(directory, "package.json"), "utf8")));

const { dependencies, peerDependencies } = manifestOf(ROOT);
const external = Object.keys({ ...dependencies, ...peerDependencies }).filter((name) => !ALSO_FOR_TYPES.includes(name));

rmSync(join(ROOT, "dist"), { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: ROOT,
  entryPoints: ENTRIES,
  outdir: "dist",
  outbase: ".",
  chunkNames: "chunks/[name]-[hash]",
  bundle: true,
  // What is loaded late stays in files of its own.
  splitting: true,
  format: "esm",
  platform: "node",
  target: "node24",
  sourcemap: true,
  // Node holds the text of what it runs, of a large file in two bytes a character if a comment has one beyond ASCII.
  // Lines stay short, so that a stack says where.
  minifyWhitespace: true,
  lineLimit: 160,
  legalComments: "inline",
  external: [...external, ...NOT_NEEDED, TEST_FRAMEWORK],
  // Bundled CommonJS packages require Node's own modules.
  banner: {
    js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
  },
  plugins: [zodInEnglish, acmeClientSigns, promClientWithoutTraces],
  metafile: true,
  logLevel: "warning",
});
// renewd loads a package that may be missing when it is needed, and says so; a bundled one would fail as it is loaded.
const missing = Object.entries(metafile.inputs)
  .filter(([input]) => input.includes("node_modules/"))
  .flatMap(([input, { imports }]) =>
    imports.filter(({ external: stays }) => stays).map(({ path }) => ({ input, path })),
  )
  .filter(({ path }) => peerDependencies[path] !== undefined);
if (missing.length > 0)
  throw new Error(missing.map(({ input, path }) => `${input} needs ${path}, which is optional`).join(", "));
const renamed = readdirSync(join(ROOT, "dist"), { recursive: true, encoding: "utf8" })
  .filter((file) => file.endsWith(".js"))
  .flatMap((file) => [...readFileSync(join(ROOT, "dist", file), "utf8").matchAll(RENAMED_ERROR)].map(([line]) => line));
if (renamed.length > 0) throw new Error(`the bundler renamed errors: ${renamed.join(", ")}`);
// What browsers get as it is, in one place, wherever the bundler puts the code that serves it.
mkdirSync(join(ROOT, "dist/assets"));
for (const name of ASSETS) copyFileSync(assetSource(name), join(ROOT, "dist/assets", name));
const copied = ASSETS.map((name) => relative(ROOT, assetSource(name)));
writeFileSync(join(ROOT, "dist/THIRD-PARTY-LICENCES.txt"), licences([...Object.keys(metafile.inputs), ...copied]));

/** The licence of each package that is in the bundle, as its authors wrote it. */
function licences(inputs: readonly string[]): string {
  const files = inputs.filter((path) => !path.includes(":"));
  const directories = new Set(files.flatMap((path) => /.*node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []));
  const parts = [...directories].sort().map((directory) => {
    const { name, version, license } = manifestOf(join(ROOT, directory));
    const names = readdirSync(join(ROOT, directory)).filter((file) => LICENCE_FILE.test(file));
    const texts = names.map((file) => readFileSync(join(ROOT, directory, file), "utf8").trim());
    if (texts.length === 0 && license === undefined) throw new Error(`${name} has no licence`);
    return [`${name} ${version} (${license ?? "see below"})`, "", ...texts].join("\n");
  });
  return `dist/ holds parts of these packages.\n\n${parts.join(`\n\n${"-".repeat(80)}\n\n`)}\n`;
}
