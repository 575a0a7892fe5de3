// The rules Kubernetes documents for secrets and Server-Side Apply, as the fake enforces them. Sources:
// kubernetes.io/docs/concepts/configuration/secret (TLS secrets, immutable secrets, size),
// …/reference/using-api/server-side-apply (field management, conflicts, ownership),
// …/concepts/overview/working-with-objects (names, labels, annotations), …/reference/using-api/api-concepts
// (resourceVersion), …/common-definitions/status (errors).
import { isDeepStrictEqual } from "node:util";
import { z } from "zod";
import type { ApiReply } from "./api.ts";

const texts = z.record(z.string(), z.string()).default({});
const secretObject = z.strictObject({
  apiVersion: z.literal("v1"),
  kind: z.literal("Secret"),
  type: z.string().default("Opaque"),
  immutable: z.boolean().optional(),
  metadata: z.strictObject({
    name: z.string(),
    namespace: z.string(),
    labels: texts,
    annotations: texts,
    resourceVersion: z.string().optional(),
    ownerReferences: z
      .array(
        z.object({
          apiVersion: z.string(),
          kind: z.string(),
          name: z.string(),
          uid: z.string(),
          controller: z.boolean().optional(),
        }),
      )
      .optional(),
  }),
  data: texts,
});
export type SecretObject = z.output<typeof secretObject>;
export type SecretInput = z.input<typeof secretObject>;

/** One entry of managedFields: who owns which fields, and by what kind of write. */
export interface Manager {
  readonly manager: string;
  readonly operation: "Apply" | "Update";
  readonly fields: ReadonlySet<string>;
}

export interface HeldSecret {
  readonly object: SecretObject;
  readonly managers: readonly Manager[];
}

interface Cause {
  readonly reason: string;
  readonly message: string;
  readonly field?: string;
}

/** An error as the API server answers it. */
export class KubernetesFault extends Error {
  readonly status: number;
  readonly reason: string;
  readonly causes: readonly Cause[];
  constructor(status: number, reason: string, message: string, causes: readonly Cause[] = []) {
    super(message);
    this.status = status;
    this.reason = reason;
    this.causes = causes;
  }
  reply(): ApiReply {
    const details = this.causes.length === 0 ? {} : { details: { causes: this.causes } };
    return {
      status: this.status,
      body: {
        kind: "Status",
        apiVersion: "v1",
        status: "Failure",
        message: this.message,
        reason: this.reason,
        code: this.status,
        ...details,
      },
    };
  }
}

export function secretObjectOf(input: SecretInput): SecretObject {
  return secretObject.parse(input);
}

export function secretBody(body: string, namespace: string): SecretObject {
  const parsed = secretObject.safeParse(JSON.parse(body));
  if (!parsed.success)
    throw new KubernetesFault(
      400,
      "BadRequest",
      `Secret in version "v1" cannot be handled as a Secret: ${parsed.error.message}`,
    );
  if (parsed.data.metadata.namespace !== namespace) {
    throw new KubernetesFault(
      400,
      "BadRequest",
      "the namespace of the provided object does not match the namespace sent on the request",
    );
  }
  return parsed.data;
}

const SUBDOMAIN = /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/;
const NAME_PART = /^[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$/;
const SECRET_BYTES_MAX = 1024 * 1024;

export function validate(next: SecretObject, before: SecretObject | null): void {
  const invalid = (field: string, why: string): never => {
    throw new KubernetesFault(422, "Invalid", `Secret "${next.metadata.name}" is invalid: ${field}: ${why}`, [
      { reason: "FieldValueInvalid", message: why, field },
    ]);
  };
  if (!SUBDOMAIN.test(next.metadata.name))
    invalid(
      "metadata.name",
      "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.'",
    );
  for (const key of Object.keys({ ...next.metadata.labels, ...next.metadata.annotations })) {
    const [prefix, name] = key.includes("/") ? key.split("/", 2) : [null, key];
    if ((prefix !== null && !SUBDOMAIN.test(prefix ?? "")) || !NAME_PART.test(name ?? ""))
      invalid("metadata", `${key} is no qualified name`);
  }
  for (const value of Object.values(next.metadata.labels))
    if (value !== "" && !NAME_PART.test(value)) invalid("metadata.labels", `Invalid value: "${value}"`);
  const bytes = Object.values(next.data).reduce((sum, text) => sum + Buffer.from(text, "base64").length, 0);
  if (bytes > SECRET_BYTES_MAX) invalid("data", "Too long: must have at most 1048576 bytes");
  if (next.type === "kubernetes.io/tls") {
    for (const key of ["tls.crt", "tls.key"])
      if (next.data[key] === undefined) invalid(`data[${key}]`, "Required value");
  }
  if (before === null) return;
  if (before.type !== next.type) invalid("type", "field is immutable");
  if (before.immutable === true && !isDeepStrictEqual(before.data, next.data))
    invalid("data", "field is immutable when `immutable` is set");
}

/** The leaves that are owned one by one. */
function fieldsOf({ type, metadata, data }: SecretObject): Map<string, string> {
  const of = (part: string, entries: Readonly<Record<string, string>>): [string, string][] =>
    Object.entries(entries).map(([key, value]) => [`.${part}.${key}`, value]);
  return new Map([
    [".type", type],
    ...of("data", data),
    ...of("metadata.labels", metadata.labels),
    ...of("metadata.annotations", metadata.annotations),
  ]);
}

/** Any write but apply: always forced, it owns what it changes. */
export function ownedByUpdate(before: HeldSecret | null, next: SecretObject, manager: string): Manager[] {
  const old = before === null ? new Map<string, string>() : fieldsOf(before.object);
  const now = fieldsOf(next);
  const changed = new Set([...now].filter(([field, value]) => old.get(field) !== value).map(([field]) => field));
  const own = before?.managers.find((one) => one.manager === manager && one.operation === "Update")?.fields ?? [];
  const others = (before?.managers ?? []).filter((one) => !(one.manager === manager && one.operation === "Update"));
  const kept = others.map((one) => ({
    ...one,
    fields: new Set([...one.fields].filter((field) => !changed.has(field) && now.has(field))),
  }));
  return [
    ...kept.filter(({ fields }) => fields.size > 0),
    { manager, operation: "Update", fields: new Set([...own, ...changed].filter((field) => now.has(field))) },
  ];
}

export function applyPatch(
  held: HeldSecret | null,
  patch: SecretObject,
  { manager, force }: { readonly manager: string; readonly force: boolean },
): HeldSecret {
  const wanted = fieldsOf(patch);
  const current = held === null ? new Map<string, string>() : fieldsOf(held.object);
  const isOwn = (one: Manager): boolean => one.manager === manager && one.operation === "Apply";
  const managers = held?.managers ?? [];
  const taken = [...wanted]
    .filter(([field, value]) => current.has(field) && current.get(field) !== value)
    .map(([field]) => field);
  const conflicts = managers
    .filter((one) => !isOwn(one))
    .flatMap((one) => taken.filter((field) => one.fields.has(field)).map((field): [Manager, string] => [one, field]));
  if (conflicts.length > 0 && !force) {
    const causes = conflicts.map(([one, field]) => ({
      reason: "FieldManagerConflict",
      message: `conflict with "${one.manager}"`,
      field,
    }));
    throw new KubernetesFault(
      409,
      "Conflict",
      `Apply failed with ${causes.length} conflicts: ${causes.map(({ message, field }) => `${message}: ${field}`).join(", ")}`,
      causes,
    );
  }
  const others = managers
    .filter((one) => !isOwn(one))
    .map((one) => ({ ...one, fields: new Set([...one.fields].filter((field) => !taken.includes(field))) }));
  const before = managers.find(isOwn)?.fields ?? new Set<string>();
  // What we applied before and no longer mention goes, unless somebody else owns it as well.
  const dropped = new Set(
    [...before].filter((field) => !wanted.has(field) && !others.some((one) => one.fields.has(field))),
  );
  const merge = (
    part: string,
    mine: Readonly<Record<string, string>>,
    theirs: Readonly<Record<string, string>> = {},
  ): Record<string, string> => ({
    ...Object.fromEntries(Object.entries(theirs).filter(([key]) => !dropped.has(`.${part}.${key}`))),
    ...mine,
  });
  const { resourceVersion: _, ...metadata } = { ...held?.object.metadata, ...patch.metadata };
  const object: SecretObject = {
    ...held?.object,
    ...patch,
    metadata: {
      ...metadata,
      labels: merge("metadata.labels", patch.metadata.labels, held?.object.metadata.labels),
      annotations: merge("metadata.annotations", patch.metadata.annotations, held?.object.metadata.annotations),
    },
    data: merge("data", patch.data, held?.object.data),
  };
  return {
    object,
    managers: [
      ...others.filter(({ fields }) => fields.size > 0),
      { manager, operation: "Apply", fields: new Set(wanted.keys()) },
    ],
  };
}
