// Makes optional peers of the package.json in this directory its dependencies, so that `npm prune` keeps them in the image.
import { readFileSync, writeFileSync } from "node:fs";

const manifest = JSON.parse(readFileSync("package.json", "utf8"));
manifest.dependencies = { ...manifest.dependencies, ...manifest.peerDependencies };
for (const section of ["peerDependencies", "peerDependenciesMeta"]) delete manifest[section];
for (const name of Object.keys(manifest.dependencies)) delete manifest.devDependencies[name];
writeFileSync("package.json", `${JSON.stringify(manifest, null, 2)}\n`);
