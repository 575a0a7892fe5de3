import { dirname, join, normalize } from "node:path/posix";
import { type FileImports, type Import, mask, readImports } from "./imports.ts";
import { DRAWERS, ENVIRONMENT_READERS, FOLDERS, LINES_MAX, PACKAGES } from "./rules.ts";

/** Path from the root of the repository, with slashes → content. */
export type Sources = ReadonlyMap<string, string>;

/** Every breach of the rules, one line each, with its place. Empty: the house is in order. */
export function violations(sources: Sources): string[] {
  const found: string[] = [];
  const graph = new Map<string, string[]>();
  for (const [path, source] of sources) {
    found.push(...checkName(path), ...checkLength(path, source));
    if (!isProduct(path)) continue;
    const read = readImports(source);
    found.push(...checkHome(path), ...checkText(path, source), ...checkImports(path, read));
    graph.set(path, ours(path, read));
  }
  return [...found, ...cycles(graph).map((cycle) => `${cycle[0]}: import cycle: ${cycle.join(" → ")}`)];
}

const isProduct = (path: string): boolean => path.startsWith("src/") || path.startsWith("workers/");

/** The room a file belongs to, as `FOLDERS` names it; the top-level folder itself when it has none. */
function folderOf(path: string): string {
  const [top = "", next = "", inner = "", ...rest] = path.split("/");
  if (top !== "src") return top;
  const folder = next.replace(/\.ts$/, "");
  if (inner === "" || rest.length === 0) return folder;
  const third = rest.length > 1 ? [`${folder}/${inner}/${rest[0]}`] : [];
  return [...third, `${folder}/${inner}`, `${folder}/*`].find((room) => Object.hasOwn(FOLDERS, room)) ?? folder;
}

function checkName(path: string): string[] {
  const drawer = path.split("/").find((part) =>
    DRAWERS.has(
      part
        .replace(/\.ts$/, "")
        .replace(/\.test$/, "")
        .toLowerCase(),
    ),
  );
  return drawer === undefined ? [] : [`${path}: '${drawer}' is a drawer: name the idea instead`];
}

function checkLength(path: string, source: string): string[] {
  const lines = source.split("\n").length - (source.endsWith("\n") ? 1 : 0);
  const linesMax = path.startsWith("test/") ? LINES_MAX.tests : LINES_MAX.product;
  return lines > linesMax ? [`${path}: ${lines} lines, more than ${linesMax}: split it by idea`] : [];
}

function checkHome(path: string): string[] {
  return Object.hasOwn(FOLDERS, folderOf(path))
    ? []
    : [`${path}: '${folderOf(path)}' is not a folder of the architecture`];
}

function checkText(path: string, source: string): string[] {
  const code = mask(source);
  const found: string[] = [];
  const readsEnvironment =
    /\bprocess\s*(\?\.|\.)\s*env\b/.test(code) ||
    /\bprocess\s*\[\s*["']env["']/.test(source) ||
    /\{[^}]*\benv\b[^}]*\}\s*(=\s*process\b|from\s*"node:process")/.test(source);
  if (readsEnvironment && !ENVIRONMENT_READERS.has(path))
    found.push(`${path}: process.env is read only in src/config/read/environment.ts`);
  const trustsAll =
    /\brejectUnauthorized["']?\s*:\s*(false|!1)\b/.test(code) || source.includes("NODE_TLS_REJECT_UNAUTHORIZED");
  if (trustsAll && folderOf(path) !== "tls")
    found.push(`${path}: TLS verification is switched off; only the probe in src/tls may`);
  return found;
}

function checkImports(path: string, read: FileImports): string[] {
  const computed = read.computed.map((line) => `${path}:${line}: import with a computed path`);
  return [
    ...computed,
    ...read.imports.flatMap((one) => checkImport(path, one).map((problem) => `${path}:${one.line}: ${problem}`)),
  ];
}

function checkImport(path: string, one: Import): string[] {
  if (one.specifier.startsWith(".")) return checkOurs(path, one);
  return checkPackage(path, one);
}

function checkOurs(path: string, one: Import): string[] {
  const target = resolve(path, one.specifier);
  if (!isProduct(target))
    return /^(package\.json|docs\/[\w.-]+\.json)$/.test(target) ? [] : [`imports ${target} from outside src/`];
  const from = folderOf(path);
  const to = folderOf(target);
  if (from === to && path.startsWith("workers/")) return [`a worker imports another worker (${target})`];
  if (from === to)
    return from.endsWith("/*") && dirname(path) !== dirname(target)
      ? [`a folder of ${from} must not import its sibling (${target})`]
      : [];
  const rule = FOLDERS[from];
  if (rule === undefined || rule.mayImport.includes(to)) return [];
  if (rule.typesOnly?.includes(to)) return one.typesOnly ? [] : [`${from} may import only types of ${to} (${target})`];
  const registry = rule.registryOnly?.find((name) => target.startsWith(`src/${name}/`));
  if (registry !== undefined)
    return target === `src/${registry}/index.ts`
      ? []
      : [`${from} may import only the registry of ${registry} (${target})`];
  return [`${from} must not import ${to} (${target})`];
}

function checkPackage(path: string, one: Import): string[] {
  const name = packageOf(one.specifier);
  const rule = PACKAGES[name];
  if (rule === undefined)
    return name.startsWith("node:") ? [] : [`package '${name}' has no owner in test/architecture/rules.ts`];
  if (rule.lazy && !one.typesOnly && !one.dynamic)
    return [`'${name}' is loaded at every start: import it where it is used`];
  const within = (owner: string): boolean => path === owner || path.startsWith(`${owner}/`);
  if (rule.owners.some(within) || (one.typesOnly && rule.typesOnly?.some(within))) return [];
  return [`'${name}' belongs to ${rule.owners.join(", ")}`];
}

function packageOf(specifier: string): string {
  const parts = specifier.split("/");
  return specifier.startsWith("@") ? parts.slice(0, 2).join("/") : (parts[0] ?? specifier);
}

const resolve = (path: string, specifier: string): string => normalize(join(dirname(path), specifier));

function ours(path: string, read: FileImports): string[] {
  return read.imports.filter((one) => one.specifier.startsWith(".")).map((one) => resolve(path, one.specifier));
}

/** Each strongly connected set once (Tarjan), as the files in it; a file that imports itself counts. */
function cycles(graph: ReadonlyMap<string, readonly string[]>): string[][] {
  const order = new Map<string, number>();
  const low = new Map<string, number>();
  const stack: string[] = [];
  const found: string[][] = [];
  const visit = (node: string): void => {
    order.set(node, order.size);
    low.set(node, order.get(node) ?? 0);
    stack.push(node);
    for (const next of graph.get(node) ?? []) {
      if (!graph.has(next)) continue;
      if (!order.has(next)) visit(next);
      if (stack.includes(next)) low.set(node, Math.min(low.get(node) ?? 0, low.get(next) ?? 0));
    }
    if (low.get(node) !== order.get(node)) return;
    const members = stack.splice(stack.indexOf(node));
    if (members.length > 1 || graph.get(node)?.includes(node)) found.push(members.sort());
  };
  for (const node of graph.keys()) if (!order.has(node)) visit(node);
  return found;
}
