// Google's Secret Manager cannot be used here, so this fake enforces what Google documents of it:
// cloud.google.com/secret-manager/docs/reference/rest/v1/projects.secrets (create, get, patch with etag and
// updateMask), …/projects.secrets.versions (addVersion, access, latest), …/docs/etags, …/quotas (64 KiB a version, 16
// KiB of annotations).
import { randomBytes } from "node:crypto";
import { z } from "zod";
import type { ApiRequest } from "./api.ts";
import { type GoogleFake, GoogleFault, startGoogleFake } from "./google.ts";

export interface SecretManagerFake extends GoogleFake {
  /** Payload of the latest version; null: there is none. */
  latest(name: string): string | null;
  versions(name: string): number;
  annotations(name: string): Readonly<Record<string, string>>;
  /** Changes as somebody else would: the etag changes with it. */
  annotate(name: string, annotations: Readonly<Record<string, string>>): void;
  add(name: string, payload: string): void;
  remove(name: string): void;
  makeEmpty(name: string): void;
  /** Runs once, right after the next read of a secret was answered from what was there before. */
  afterNextRead(act: () => void): void;
}

interface Entry {
  etag: string;
  annotations: Readonly<Record<string, string>>;
  readonly versions: string[];
}

// The client also sends empty maps.
const secretBody = z.object({
  name: z.string().optional(),
  etag: z.string().optional(),
  annotations: z.record(z.string().regex(/^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$/), z.string()).optional(),
  replication: z.object({ automatic: z.object({}) }).optional(),
});
const versionBody = z.object({ payload: z.object({ data: z.string() }) });
const PAYLOAD_BYTES_MAX = 64 * 1024;
const ANNOTATION_BYTES_MAX = 16 * 1024;

function isGranted(permission: string, permit: (permission: string) => void): boolean {
  try {
    permit(permission);
    return true;
  } catch {
    return false;
  }
}

export async function startSecretManagerFake(): Promise<SecretManagerFake> {
  const entries = new Map<string, Entry>();
  let afterRead: (() => void) | null = null;
  const newEtag = (): string => `"${randomBytes(8).toString("hex")}"`;
  const existing = (name: string): Entry => {
    const entry = entries.get(name);
    if (entry === undefined) throw new GoogleFault(404, "NOT_FOUND", `Secret [${name}] not found.`);
    return entry;
  };
  const view = (name: string, { etag, annotations }: Entry): unknown => ({
    name,
    etag,
    annotations,
    replication: { automatic: {} },
  });

  function parse(body: string): z.infer<typeof secretBody> {
    const parsed = secretBody.safeParse(JSON.parse(body));
    if (!parsed.success) throw new GoogleFault(400, "INVALID_ARGUMENT", parsed.error.message);
    if (JSON.stringify(parsed.data.annotations ?? {}).length > ANNOTATION_BYTES_MAX)
      throw new GoogleFault(400, "INVALID_ARGUMENT", "annotations exceed 16 KiB");
    return parsed.data;
  }

  function route({ method, path, query, body }: ApiRequest, permit: (permission: string) => void): unknown {
    const [, name = "", rest = ""] = /^\/v1\/(projects\/[^/]+\/secrets(?:\/[^/:]+)?)(.*)$/.exec(path) ?? [];
    if (method === "POST" && rest === "" && name.endsWith("/secrets")) {
      permit("secretmanager.secrets.create");
      const id = query.get("secretId") ?? "";
      if (!/^[A-Za-z0-9_-]{1,255}$/.test(id)) throw new GoogleFault(400, "INVALID_ARGUMENT", `Invalid secret id ${id}`);
      const { annotations = {}, replication } = parse(body);
      if (replication === undefined) throw new GoogleFault(400, "INVALID_ARGUMENT", "replication is required");
      if (entries.has(`${name}/${id}`))
        throw new GoogleFault(409, "ALREADY_EXISTS", `Secret [${name}/${id}] already exists.`);
      const entry = { etag: newEtag(), annotations, versions: [] };
      entries.set(`${name}/${id}`, entry);
      return view(`${name}/${id}`, entry);
    }
    if (method === "POST" && rest === ":addVersion") {
      permit("secretmanager.versions.add");
      const data = Buffer.from(versionBody.parse(JSON.parse(body)).payload.data, "base64");
      if (data.length > PAYLOAD_BYTES_MAX)
        throw new GoogleFault(400, "INVALID_ARGUMENT", "The payload exceeds 65536 bytes.");
      const number = existing(name).versions.push(data.toString("utf8"));
      return { name: `${name}/versions/${number}`, state: "ENABLED" };
    }
    if (method === "POST" && rest === ":testIamPermissions") {
      const asked = z.object({ permissions: z.array(z.string()) }).parse(JSON.parse(body)).permissions;
      return { permissions: entries.has(name) ? asked.filter((permission) => isGranted(permission, permit)) : [] };
    }
    if (method === "PATCH") {
      permit("secretmanager.secrets.update");
      const entry = existing(name);
      const sent = parse(body);
      if (query.get("updateMask") !== "annotations")
        throw new GoogleFault(400, "INVALID_ARGUMENT", `Invalid update mask: ${query.get("updateMask")}`);
      if (sent.etag !== undefined && sent.etag !== entry.etag) {
        throw new GoogleFault(
          400,
          "FAILED_PRECONDITION",
          `The etag provided for the resource [${name}] does not match the etag on the server.`,
        );
      }
      entry.annotations = sent.annotations ?? {};
      entry.etag = newEtag();
      return view(name, entry);
    }
    const accessed = /^\/versions\/(\d+):access$/.exec(rest)?.[1];
    if (accessed !== undefined) {
      permit("secretmanager.versions.access");
      const text = existing(name).versions[Number(accessed) - 1];
      if (text === undefined) throw new GoogleFault(404, "NOT_FOUND", `Secret Version [${path}] not found.`);
      return { name: `${name}/versions/${accessed}`, payload: { data: Buffer.from(text).toString("base64") } };
    }
    if (rest === "/versions/latest") {
      permit("secretmanager.versions.get");
      const { versions } = existing(name);
      if (versions.length === 0)
        throw new GoogleFault(404, "NOT_FOUND", `Secret Version [${name}/versions/latest] not found.`);
      return { name: `${name}/versions/${versions.length}`, state: "ENABLED" };
    }
    permit("secretmanager.secrets.get");
    const answer = view(name, existing(name));
    const act = afterRead;
    afterRead = null;
    act?.();
    return answer;
  }

  return {
    ...(await startGoogleFake(route)),
    latest: (name) => entries.get(name)?.versions.at(-1) ?? null,
    versions: (name) => entries.get(name)?.versions.length ?? 0,
    annotations: (name) => entries.get(name)?.annotations ?? {},
    annotate(name, annotations) {
      const entry = existing(name);
      entry.annotations = { ...entry.annotations, ...annotations };
      entry.etag = newEtag();
    },
    add: (name, payload) => void existing(name).versions.push(payload),
    remove: (name) => void entries.delete(name),
    makeEmpty: (name) => void entries.set(name, { etag: newEtag(), annotations: {}, versions: [] }),
    afterNextRead(act) {
      afterRead = act;
    },
  };
}
