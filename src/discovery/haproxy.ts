import { resolve } from "node:path";
import type { ServedPair, ServerFindings } from "./found.ts";
import type { Machine } from "./machine.ts";

const MAIN = "/etc/haproxy/haproxy.cfg";

/**
 * Reads /etc/haproxy/haproxy.cfg and the crt-lists and directories its binds name; null: no HAProxy is configured here.
 */
export async function findHaproxy(machine: Machine): Promise<ServerFindings | null> {
  const text = await machine.read(MAIN);
  if (text === null) return null;
  const lines = text.split("\n").map((line) =>
    line
      .replace(/(^|\s)#.*$/, "")
      .trim()
      .split(/\s+/),
  );
  const base = lines.find(([name]) => name === "crt-base")?.[1] ?? "/";
  const binds = lines.filter(([name]) => name === "bind");
  const pairs: ServedPair[] = [];
  for (const bind of binds) {
    const ports = portsOf(bind[1] ?? "");
    for (const file of await filesOf(machine, bind, base))
      pairs.push({ server: "haproxy", names: [], ports, certificate: file, key: file, place: MAIN });
  }
  const sockets = lines.filter(
    ([first, second, path = ""]) => first === "stats" && second === "socket" && path.startsWith("/"),
  );
  // Only this level may replace certificates.
  const socket = sockets.find((words) => words.includes("admin")) ?? sockets[0];
  return {
    server: "haproxy",
    place: MAIN,
    pairs,
    answersPort80: binds.some((bind) => portsOf(bind[1] ?? "").includes(80)),
    socket: socket?.[2] ?? null,
  };
}

const portsOf = (address: string): number[] =>
  address.split(",").flatMap((each) => {
    const port = /:(\d+)$/.exec(each)?.[1];
    return port === undefined ? [] : [Number(port)];
  });

async function filesOf(machine: Machine, bind: readonly string[], base: string): Promise<string[]> {
  const named = (option: string): string[] =>
    bind
      .flatMap((word, index) => (word === option ? [bind[index + 1] ?? ""] : []))
      .flatMap((file) => (file.startsWith("@") ? [] : [resolve(base, file)]));
  const files: string[] = [];
  if (bind.some((word, index) => bind[index - 1] === "crt" && word.startsWith("@")))
    machine.note(`${MAIN} takes certificates from a crt-store, which is not read: add them by hand`);
  for (const path of named("crt")) {
    const inside = (await machine.list(path)).filter(
      // HAProxy leaves out what begins with a dot, too.
      (name) => !/^\.|\.(key|ocsp|issuer|sctl)$/.test(name),
    );
    files.push(...(inside.length === 0 ? [path] : inside.map((name) => `${path}/${name}`)));
  }
  for (const list of named("crt-list"))
    for (const line of ((await machine.read(list)) ?? "").split("\n")) {
      const file = line.trim().split(/\s/)[0] ?? "";
      if (file !== "" && !file.startsWith("#")) files.push(resolve(base, file));
    }
  return files;
}
