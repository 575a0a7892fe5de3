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
  // BullMQ tells errors apart by the names of their classes.
  keepNames: true,
  sourcemap: true,
  legalComments: "inline",
  external: [...external, ...NOT_NEEDED, TEST_FRAMEWORK],
  // Bundled CommonJS packages require Node's own modules.
  banner: {
    js: 'import { createRequire as requireFrom } from "node:module"; const require = requireFrom(import.meta.url);',
  },
  plugins: [zodInEnglish],
  metafile: true,
  logLevel: "warning",
});
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
