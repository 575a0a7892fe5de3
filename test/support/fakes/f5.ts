// An F5 BIG-IP cannot run here, so this fake enforces what F5 documents of iControl REST
// (clouddocs.f5.com/api/icontrol-rest, iControl REST User Guide): tokens (a hundred a user), file transfer with
// Content-Range, objects made from uploaded files, transactions that happen as a whole or not, client SSL profiles with
// one certificate per kind of key whose key must match (01070317, 01070313), objects in use that cannot be deleted, and
// a running configuration that is lost unless it is saved.
import { createPrivateKey, randomBytes, X509Certificate } from "node:crypto";
import { z } from "zod";
import { type ApiFake, type ApiReply, type ApiRequest, startApiFake } from "./api.ts";

interface Entry {
  readonly name: string;
  readonly cert: string;
  readonly key: string;
  readonly chain?: string | undefined;
}

export interface F5Pair {
  readonly certificate: string;
  readonly key: string;
  readonly chain: string | null;
}

interface Configuration {
  readonly objects: ReadonlyMap<string, string>;
  readonly profiles: ReadonlyMap<string, readonly Entry[]>;
}

export interface F5Fake extends ApiFake {
  readonly user: string;
  readonly password: string;
  readonly openTokens: ReadonlySet<string>;
  /** Files uploaded and not removed. */
  readonly uploads: ReadonlyMap<string, string>;
  /** Pairs of a profile, running or as they would be after a restart. */
  pairs(profile: string, which: "running" | "saved"): readonly F5Pair[];
  entries(profile: string): readonly Entry[];
  objects(): readonly string[];
  /** Makes a profile with these certificates, already saved. */
  addProfile(name: string, pairs: readonly { readonly certPem: string; readonly keyPem: string }[]): void;
  /** Another profile that uses objects which are there. */
  addProfileOf(name: string, entries: readonly Entry[]): void;
  /** As people let a profile use the pair of this certificate, which is there, or none at all. */
  use(profile: string, certPem: string | null): void;
  /** As people upload another pair as the objects that a profile uses already. */
  overwrite(profile: string, pair: { readonly certPem: string; readonly keyPem: string }): void;
  readonly synchronised: readonly string[];
}

class Fault extends Error {
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

const TOKENS_MAX = 100;
const DOWNLOADS = "/var/config/rest/downloads/";
const loginBody = z.object({ username: z.string(), password: z.string(), loginProviderName: z.string() });
const objectBody = z.object({
  name: z.string(),
  partition: z.string(),
  sourcePath: z.string().startsWith(`file:${DOWNLOADS}`),
});
const profileBody = z.object({
  certKeyChain: z.array(
    z.object({ name: z.string(), cert: z.string(), key: z.string(), chain: z.string().optional() }),
  ),
});

export async function startF5Fake(): Promise<F5Fake> {
  const [user, password] = ["renewd", `pw-${randomBytes(12).toString("hex")}`];
  const openTokens = new Set<string>();
  const uploads = new Map<string, string>();
  const transactions = new Map<number, ((next: Draft) => void)[]>();
  const synchronised: string[] = [];
  let running: Configuration = { objects: new Map(), profiles: new Map() };
  let saved = running;
  let transactionId = 1_700_000_000;

  const change = (steps: readonly ((next: Draft) => void)[]): void => {
    const next: Draft = { objects: new Map(running.objects), profiles: new Map(running.profiles) };
    for (const step of steps) step(next);
    validate(next);
    running = next;
  };

  function logIn(body: string): ApiReply {
    const sent = loginBody.parse(JSON.parse(body));
    if (sent.username !== user || sent.password !== password) throw new Fault(401, "Authentication failed.");
    if (openTokens.size >= TOKENS_MAX) throw new Fault(400, `user ${user} has reached maximum active login tokens`);
    const token = randomBytes(13).toString("hex").toUpperCase();
    openTokens.add(token);
    return { status: 200, body: { username: user, token: { token, timeout: 1200 } } };
  }

  function upload(file: string, { headers, body }: ApiRequest): ApiReply {
    if (headers["content-range"] !== `0-${Buffer.byteLength(body) - 1}/${Buffer.byteLength(body)}`)
      throw new Fault(400, "Content-Range header is missing or wrong");
    uploads.set(`${DOWNLOADS}${file}`, body);
    return { status: 200, body: { localFilePath: `${DOWNLOADS}${file}` } };
  }

  /** What a request would change, now or at the end of its transaction. */
  function step({ method, path, body }: ApiRequest): ((next: Draft) => void) | null {
    const [, name] = /^\/mgmt\/tm\/sys\/file\/ssl-(?:cert|key)\/(.+)$/.exec(path) ?? [];
    const [, profile] = /^\/mgmt\/tm\/ltm\/profile\/client-ssl\/(.+)$/.exec(path) ?? [];
    if (method === "POST" && /^\/mgmt\/tm\/sys\/file\/ssl-(cert|key)$/.test(path)) {
      const made = objectBody.parse(JSON.parse(body));
      const full = `/${made.partition}/${made.name}`;
      const content = uploads.get(made.sourcePath.slice("file:".length));
      if (content === undefined) throw new Fault(400, `Failed! exit_code (37). ${made.sourcePath}: no such file`);
      return (next) => {
        if (next.objects.has(full))
          throw new Fault(
            409,
            `01020066:3: The requested object (${full}) already exists in partition ${made.partition}.`,
          );
        next.objects.set(full, content);
      };
    }
    if (method === "PATCH" && profile !== undefined) {
      const { certKeyChain } = profileBody.parse(JSON.parse(body));
      return (next) => {
        if (!next.profiles.has(plain(profile)))
          throw new Fault(404, `01020036:3: The requested profile (${plain(profile)}) was not found.`);
        next.profiles.set(plain(profile), certKeyChain);
      };
    }
    if (method === "DELETE" && name !== undefined) {
      return (next) => {
        if (!next.objects.delete(plain(name)))
          throw new Fault(404, `01020036:3: The requested object (${plain(name)}) was not found.`);
        for (const entry of [...next.profiles.values()].flat()) {
          if (entry.cert === plain(name) || entry.key === plain(name) || entry.chain === plain(name))
            throw new Fault(400, `01071349:3: File object by name (${plain(name)}) is in use.`);
        }
      };
    }
    return null;
  }

  function transact({ method, path, body }: ApiRequest): ApiReply | null {
    if (path === "/mgmt/tm/transaction" && method === "POST") {
      transactions.set(++transactionId, []);
      return { status: 200, body: { transId: transactionId, state: "STARTED", timeoutSeconds: 120 } };
    }
    const [, id] = /^\/mgmt\/tm\/transaction\/(\d+)$/.exec(path) ?? [];
    if (id === undefined || method !== "PATCH") return null;
    const steps = transactions.get(Number(id));
    if (steps === undefined) throw new Fault(404, `there is no active transaction with id ${id}`);
    if (JSON.parse(body).state !== "VALIDATING") throw new Fault(400, "invalid state");
    transactions.delete(Number(id));
    change(steps);
    return { status: 200, body: { transId: Number(id), state: "COMPLETED" } };
  }

  function read({ path }: ApiRequest): ApiReply {
    const [, kind, name] = /^\/mgmt\/tm\/sys\/file\/ssl-(cert|key)(?:\/(.+))?$/.exec(path) ?? [];
    if (kind !== undefined && name === undefined) {
      const all = [...running.objects.keys()].filter((full) => full.endsWith(".key") === (kind === "key"));
      return { status: 200, body: { items: all.map((fullPath) => ({ fullPath })) } };
    }
    const object = name === undefined ? undefined : running.objects.get(plain(name));
    if (name !== undefined && object === undefined)
      throw new Fault(404, `01020036:3: The requested object (${plain(name)}) was not found.`);
    if (kind === "cert" && object !== undefined)
      return {
        status: 200,
        body: {
          fullPath: plain(name ?? ""),
          keyType: `${kindOf(object)}-public`,
          fingerprint: `SHA256/${new X509Certificate(object).fingerprint256}`,
        },
      };
    if (object !== undefined) return { status: 200, body: { fullPath: plain(name ?? "") } };
    const profile = plain(/^\/mgmt\/tm\/ltm\/profile\/client-ssl\/(.+)$/.exec(path)?.[1] ?? "");
    const certKeyChain = running.profiles.get(profile);
    if (certKeyChain === undefined)
      throw new Fault(404, `01020036:3: The requested profile (${profile}) was not found.`);
    return { status: 200, body: { fullPath: profile, certKeyChain } };
  }

  function answer(request: ApiRequest): ApiReply {
    const { method, path, headers, body } = request;
    if (path === "/mgmt/shared/authn/login" && method === "POST") return logIn(body);
    const token = String(headers["x-f5-auth-token"] ?? "");
    if (!openTokens.has(token)) throw new Fault(401, "X-F5-Auth-Token does not exist.");
    if (path === `/mgmt/shared/authz/tokens/${token}` && method === "DELETE")
      return openTokens.delete(token) ? { status: 200, body: {} } : { status: 404 };
    const [, file] = /^\/mgmt\/shared\/file-transfer\/uploads\/([^/]+)$/.exec(path) ?? [];
    if (file !== undefined && method === "POST") return upload(file, request);
    const transacted = transact(request);
    if (transacted !== null) return transacted;
    if (path === "/mgmt/tm/sys/config" && method === "POST" && JSON.parse(body).command === "save") {
      saved = running;
      return { status: 200, body: {} };
    }
    if (path === "/mgmt/tm/util/unix-rm")
      return uploads.delete(JSON.parse(body).utilCmdArgs)
        ? { status: 200, body: {} }
        : { status: 200, body: { commandResult: "No such file" } };
    if (path === "/mgmt/tm/cm") {
      synchronised.push(JSON.parse(body).utilCmdArgs);
      return { status: 200, body: {} };
    }
    const wanted = step(request);
    if (wanted === null) return read(request);
    const within = headers["x-f5-rest-coordination-id"];
    if (within === undefined) change([wanted]);
    else {
      const steps = transactions.get(Number(within));
      if (steps === undefined) throw new Fault(404, `there is no active transaction with id ${String(within)}`);
      steps.push(wanted);
    }
    return { status: 200, body: {} };
  }

  const api = await startApiFake(
    (request) => {
      try {
        return answer(request);
      } catch (error) {
        if (!(error instanceof Fault)) throw error;
        return { status: error.code, body: { code: error.code, message: error.message, errorStack: [] } };
      }
    },
    { tls: ["bigip.test"] },
  );
  return {
    ...api,
    user,
    password,
    openTokens,
    uploads,
    synchronised,
    entries: (profile) => running.profiles.get(profile) ?? [],
    objects: () => [...running.objects.keys()],
    pairs(profile, which) {
      const { objects, profiles } = which === "running" ? running : saved;
      return (profiles.get(profile) ?? []).map(({ cert, key, chain }) => ({
        certificate: objects.get(cert) ?? "",
        key: objects.get(key) ?? "",
        chain: chain === undefined ? null : (objects.get(chain) ?? null),
      }));
    },
    use(profile, certPem) {
      const cert = [...running.objects].find(([name, text]) => name.endsWith(".crt") && text === certPem)?.[0];
      if (certPem !== null && cert === undefined) throw new Error("BIG-IP has no such certificate");
      const key = cert?.replace(/\.crt$/, ".key") ?? "";
      const entries = cert === undefined ? [] : [{ name: "by-hand", cert, key }];
      change([(next) => next.profiles.set(profile, entries)]);
    },
    overwrite(profile, { certPem, keyPem }) {
      change([
        ({ objects }) => {
          for (const { cert, key } of running.profiles.get(profile) ?? []) objects.set(cert, certPem).set(key, keyPem);
        },
      ]);
    },
    addProfileOf: (name, entries) => change([(next) => next.profiles.set(name, entries)]),
    addProfile(name, pairs) {
      change([
        (next) => {
          for (const [index, { certPem, keyPem }] of pairs.entries()) {
            next.objects.set(`/Common/old${index}.crt`, certPem);
            next.objects.set(`/Common/old${index}.key`, keyPem);
          }
          next.profiles.set(
            name,
            pairs.map((_, index) => ({
              name: `old${index}`,
              cert: `/Common/old${index}.crt`,
              key: `/Common/old${index}.key`,
            })),
          );
        },
      ]);
      saved = running;
    },
  };
}

interface Draft {
  readonly objects: Map<string, string>;
  readonly profiles: Map<string, readonly Entry[]>;
}

function validate({ objects, profiles }: Draft): void {
  for (const [profile, entries] of profiles) {
    const kinds = new Set<string>();
    for (const { cert, key, chain } of entries) {
      const [certificate, privateKey] = [objects.get(cert), objects.get(key)];
      if (certificate === undefined || privateKey === undefined || (chain !== undefined && !objects.has(chain))) {
        throw new Fault(400, `01070712:3: Values specified for profile ${profile}: a file object does not exist.`);
      }
      if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(privateKey)))
        throw new Fault(400, `01070317:3: profile ${profile}'s key and certificate do not match`);
      const kind = kindOf(certificate);
      if (kinds.has(kind))
        throw new Fault(
          400,
          `01071ac9:3: Unable to add more than one certificate of the same key type (${kind}) to profile ${profile}.`,
        );
      kinds.add(kind);
    }
  }
}

function kindOf(certificate: string): "rsa" | "ec" {
  return new X509Certificate(certificate).publicKey.asymmetricKeyType === "rsa" ? "rsa" : "ec";
}

function plain(name: string): string {
  return name.replaceAll("~", "/");
}
