// AWS Secrets Manager cannot run here, so this fake speaks its protocol (AWS JSON 1.1) to the real SDK and enforces the
// rules of its API reference (CreateSecret, PutSecretValue, GetSecretValue, UpdateSecretVersionStage, DescribeSecret,
// TagResource) and "Quotas".
import { randomBytes } from "node:crypto";
import { AwsFault, type AwsServiceFake, jsonProtocol, startAwsService } from "./aws.ts";

export interface SecretsManagerFakeOptions {
  /** Secrets the account may hold; AWS's default is 500,000. */
  readonly quota?: number;
}

/** What a secret is beside its values, as its owner would set it by other means. */
export interface SecretState {
  readonly DeletedDate?: number;
  readonly RotationEnabled?: boolean;
  readonly OwningService?: string;
  readonly PrimaryRegion?: string;
}

export interface SecretsManagerFake extends AwsServiceFake {
  readonly region: string;
  /** What GetSecretValue gives for a staging label. */
  value(name: string, stage?: "AWSCURRENT" | "AWSPREVIOUS"): string | null;
  /** Ids of the versions with their labels. */
  versions(name: string): Readonly<Record<string, readonly string[]>>;
  tags(name: string): Readonly<Record<string, string>>;
  kmsKey(name: string): string | null;
  /** As people do it: a new secret, or the next value of one. */
  put(name: string, text: string): void;
  /** As people do it: AWSCURRENT goes back to AWSPREVIOUS. */
  rollBack(name: string): void;
  remove(name: string): void;
  removeTag(name: string, key: string): void;
  set(name: string, state: SecretState): void;
}

interface Version {
  readonly text: string;
  readonly stages: Set<string>;
}

interface Entry {
  readonly arn: string;
  readonly kmsKey: string | null;
  readonly tags: Map<string, string>;
  readonly versions: Map<string, Version>;
  state: SecretState;
}

const REGION = "eu-central-1";
const CURRENT = "AWSCURRENT";
const PREVIOUS = "AWSPREVIOUS";

export async function startSecretsManagerFake(options: SecretsManagerFakeOptions = {}): Promise<SecretsManagerFake> {
  const entries = new Map<string, Entry>();
  const operations: Readonly<Record<string, (input: Input) => unknown>> = {
    DescribeSecret: (input) => describe(...existing(entries, input)),
    CreateSecret: (input) => create(entries, input, options.quota ?? 500_000),
    PutSecretValue(input) {
      const [name, entry] = usable(entries, input);
      const id = put(entry, input);
      return { ARN: entry.arn, Name: name, VersionId: id, VersionStages: [...stagesOf(entry, id)] };
    },
    GetSecretValue(input) {
      const [name, entry] = usable(entries, input);
      const text = entry.versions.get(input.VersionId ?? "")?.text;
      if (text === undefined)
        throw new AwsFault("ResourceNotFoundException", "Secrets Manager can't find the specified secret value.");
      return { ARN: entry.arn, Name: name, VersionId: input.VersionId, SecretString: text };
    },
    UpdateSecretVersionStage: (input) => moveStage(...usable(entries, input), input),
    TagResource(input) {
      const [, entry] = usable(entries, input);
      tag(entry.tags, input.Tags);
      return {};
    },
  };
  const service = await startAwsService({
    service: "secretsmanager",
    regions: [REGION],
    protocol: jsonProtocol("secretsmanager"),
    operate({ action, body }) {
      const operation = operations[action];
      if (operation === undefined) throw new AwsFault("InvalidAction", `no ${action}`);
      return operation(JSON.parse(body));
    },
  });
  const named = (name: string): Entry => existing(entries, { SecretId: name })[1];
  return {
    ...service,
    region: REGION,
    value: (name, stage = CURRENT) =>
      [...(entries.get(name)?.versions.values() ?? [])].find(({ stages }) => stages.has(stage))?.text ?? null,
    versions: (name) =>
      Object.fromEntries([...named(name).versions].map(([id, { stages }]) => [id, [...stages].sort()])),
    tags: (name) => Object.fromEntries(named(name).tags),
    kmsKey: (name) => named(name).kmsKey,
    put(name, text) {
      const input = { ClientRequestToken: randomBytes(16).toString("hex"), SecretString: text };
      if (entries.has(name)) put(named(name), input);
      else create(entries, { ...input, Name: name }, Number.POSITIVE_INFINITY);
    },
    rollBack(name) {
      const entry = named(name);
      const [from, to] = [holderOf(entry, CURRENT), holderOf(entry, PREVIOUS)];
      if (from === null || to === null) throw new Error(`${name} has no previous version`);
      moveStage(name, entry, { VersionStage: CURRENT, RemoveFromVersionId: from, MoveToVersionId: to });
    },
    remove: (name) => void entries.delete(name),
    removeTag: (name, key) => void named(name).tags.delete(key),
    set(name, state) {
      named(name).state = state;
    },
  };
}

/** Members the operations read. */
interface Input {
  readonly SecretId?: string;
  readonly Name?: string;
  readonly ClientRequestToken?: string;
  readonly SecretString?: string;
  readonly VersionId?: string;
  readonly KmsKeyId?: string;
  readonly Tags?: readonly { readonly Key: string; readonly Value: string }[];
  readonly VersionStages?: readonly string[];
  readonly VersionStage?: string;
  readonly RemoveFromVersionId?: string;
  readonly MoveToVersionId?: string;
}

function existing(entries: ReadonlyMap<string, Entry>, { SecretId: id = "" }: Input): [string, Entry] {
  const found = [...entries].find(([name, { arn }]) => name === id || arn === id);
  if (found === undefined)
    throw new AwsFault("ResourceNotFoundException", "Secrets Manager can't find the specified secret.");
  return found;
}

/** InvalidRequestException, "possible causes": scheduled for deletion, or managed by another service. */
function usable(entries: ReadonlyMap<string, Entry>, input: Input): [string, Entry] {
  const found = existing(entries, input);
  const { state } = found[1];
  if (state.DeletedDate !== undefined)
    throw new AwsFault(
      "InvalidRequestException",
      "You can't perform this operation on the secret because it was marked for deletion.",
    );
  if (state.OwningService !== undefined)
    throw new AwsFault("InvalidRequestException", `The secret is managed by ${state.OwningService}.`);
  if (state.PrimaryRegion !== undefined && state.PrimaryRegion !== REGION)
    throw new AwsFault("InvalidRequestException", "Operation not permitted on a replica secret.");
  return found;
}

function create(entries: Map<string, Entry>, input: Input, quota: number): unknown {
  const { Name: name = "" } = input;
  if (!/^[A-Za-z0-9/_+=.@-]{1,512}$/.test(name))
    throw new AwsFault(
      "ValidationException",
      "Invalid name. Must be a valid name containing alphanumeric characters, or any of the following: -/_+=.@!",
    );
  const held = entries.get(name);
  // The same request again is ignored.
  const same = held?.versions.get(input.ClientRequestToken ?? "")?.text === input.SecretString;
  if (held !== undefined && !same)
    throw new AwsFault("ResourceExistsException", `The operation failed because the secret ${name} already exists.`);
  if (held === undefined && entries.size >= quota)
    throw new AwsFault("LimitExceededException", "You have exceeded the quota of secrets.");
  const arn = `arn:aws:secretsmanager:${REGION}:123456789012:secret:${name}-${randomBytes(3).toString("hex")}`;
  const entry: Entry = held ?? { arn, kmsKey: input.KmsKeyId ?? null, tags: new Map(), versions: new Map(), state: {} };
  tag(entry.tags, input.Tags ?? []);
  const id = put(entry, input);
  entries.set(name, entry);
  return { ARN: entry.arn, Name: name, VersionId: id };
}

function put(
  entry: Entry,
  { ClientRequestToken: id = "", SecretString: text = "", VersionStages: asked }: Input,
): string {
  if (id.length < 32 || id.length > 64)
    throw new AwsFault(
      "ValidationException",
      "'clientRequestToken' failed to satisfy constraint: Member must have length between 32 and 64",
    );
  if (Buffer.byteLength(text) < 1 || Buffer.byteLength(text) > 65_536) {
    throw new AwsFault(
      "ValidationException",
      `Value '${text}' at 'secretString' failed to satisfy constraint: Member must have length less than or ` +
        "equal to 65536",
    );
  }
  if (
    asked !== undefined &&
    (asked.length < 1 || asked.length > 20 || asked.some((stage) => stage.length < 1 || stage.length > 256))
  ) {
    throw new AwsFault(
      "ValidationException",
      "'versionStages' failed to satisfy constraint: 1 to 20 members of 1 to 256 characters",
    );
  }
  const known = entry.versions.get(id);
  if (known !== undefined) {
    if (known.text === text) return id;
    throw new AwsFault(
      "ResourceExistsException",
      `You can't use ClientRequestToken ${id} because that value is already in use for a version.`,
    );
  }
  const first = holderOf(entry, CURRENT) === null;
  entry.versions.set(id, { text, stages: new Set() });
  for (const stage of asked ?? [CURRENT]) attach(entry, stage, id);
  if (first) attach(entry, CURRENT, id);
  return id;
}

function moveStage(
  name: string,
  entry: Entry,
  { VersionStage: stage = "", RemoveFromVersionId: from, MoveToVersionId: to = "" }: Input,
): unknown {
  const holder = holderOf(entry, stage);
  if (!entry.versions.has(to))
    throw new AwsFault("ResourceNotFoundException", "Secrets Manager can't find the specified secret version.");
  if (holder !== null && holder !== to && from !== holder) {
    const said =
      from === undefined
        ? `is currently attached to version ${holder}, so you must explicitly reference it`
        : "must be removed from the version that has it";
    throw new AwsFault(
      "InvalidParameterException",
      `The parameter RemoveFromVersionId: staging label ${stage} ${said}.`,
    );
  }
  attach(entry, stage, to);
  return { ARN: entry.arn, Name: name };
}

/**
 * A label is on one version; AWSPREVIOUS goes where AWSCURRENT came from. Versions without any can go at any time: here
 * at once.
 */
function attach(entry: Entry, stage: string, id: string): void {
  const before = holderOf(entry, stage);
  if (before === id) return;
  for (const { stages } of entry.versions.values()) stages.delete(stage);
  stagesOf(entry, id).add(stage);
  if (stage === CURRENT && before !== null) attach(entry, PREVIOUS, before);
  for (const [other, { stages }] of entry.versions) if (stages.size === 0 && other !== id) entry.versions.delete(other);
}

function holderOf(entry: Entry, stage: string): string | null {
  return [...entry.versions].find(([, { stages }]) => stages.has(stage))?.[0] ?? null;
}

function stagesOf(entry: Entry, id: string): Set<string> {
  return entry.versions.get(id)?.stages ?? new Set();
}

function tag(tags: Map<string, string>, added: Input["Tags"] = []): void {
  for (const { Key, Value } of added) {
    if (Key.length < 1 || Key.length > 128 || Value.length > 256)
      throw new AwsFault("ValidationException", "a tag fails to satisfy constraint");
    if (/^aws:/i.test(Key)) throw new AwsFault("InvalidParameterException", "Tag keys must not begin with aws:");
  }
  const merged = new Map([...tags, ...added.map(({ Key, Value }) => [Key, Value] as const)]);
  if (merged.size > 50) throw new AwsFault("LimitExceededException", "A secret can have at most 50 tags.");
  for (const [key, value] of merged) tags.set(key, value);
}

function describe(name: string, { arn, tags, versions, kmsKey, state }: Entry): unknown {
  const labelled = [...versions]
    .filter(([, { stages }]) => stages.size > 0)
    .map(([id, { stages }]) => [id, [...stages]]);
  return {
    ARN: arn,
    Name: name,
    ...(kmsKey !== null && { KmsKeyId: kmsKey }),
    Tags: [...tags].map(([Key, Value]) => ({ Key, Value })),
    ...(labelled.length > 0 && { VersionIdsToStages: Object.fromEntries(labelled) }),
    ...state,
  };
}
