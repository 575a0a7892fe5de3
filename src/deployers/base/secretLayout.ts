import { z } from "zod";
import { RenewalError } from "../../domain/errors.ts";
import { Secret } from "../../domain/secret.ts";
import { sanitize } from "../../domain/text.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import type { HeldPair } from "./installedPair.ts";
import { jsonOrNull } from "./jsonAnswer.ts";
import { pairPem } from "./pairPem.ts";

const PARTS = ["certificate", "chain", "fullchain", "privateKey", "generation", "fingerprint"] as const;
type Part = (typeof PARTS)[number];

const NAMES_CHARACTERS_MAX = 200;

function keyOf(part: string): z.ZodOptional<z.ZodString> {
  return z.string().min(1).max(128).optional().describe(`Name of the member for ${part}.`);
}

/** What a secret's text looks like, for people who read it with their own programs. */
export const layoutOptions = {
  layout: z
    .enum(["json", "pem"])
    .default("json")
    .describe(
      "`json`: an object of PEM texts. `pem`: one text with private key, certificate and chain, as HAProxy and nginx " +
        "read it.",
    ),
  keys: z
    .strictObject({
      certificate: keyOf("the certificate alone"),
      chain: keyOf("the chain without the certificate"),
      fullchain: keyOf("the certificate followed by its chain"),
      privateKey: keyOf("the private key (PKCS#8)"),
      generation: keyOf("the generation, a number"),
      fingerprint: keyOf("the certificate's SHA-256 fingerprint, in hex"),
    })
    .optional()
    .describe(
      "Names of the members with `layout: json`; parts without a name are left out. Default: every part under its " +
        "own name.",
    ),
};

interface LayoutOptions {
  readonly layout: "json" | "pem";
  readonly keys?: { readonly [part in Part]?: string | undefined } | undefined;
}

/** Problem with the options taken together; null: none. */
export function layoutProblem({ layout, keys }: LayoutOptions): string | null {
  if (keys === undefined) return null;
  if (layout === "pem") return "`keys` go with `layout: json`";
  if (keys.privateKey === undefined || (keys.certificate ?? keys.fullchain) === undefined)
    return "name at least `privateKey` and `certificate` or `fullchain`";
  const names = Object.values(keys).filter((name) => name !== undefined);
  return new Set(names).size === names.length ? null : "two parts have the same name";
}

/** Members of a secret's object that renewd does not write. */
export type OtherMembers = Readonly<Record<string, unknown>>;

/** Throws `deploy.badPair`. */
export function secretText(pair: IssuedCertificate, options: LayoutOptions, others: OtherMembers = {}): Secret {
  const pem = pairPem(pair);
  if (options.layout === "pem") return new Secret(pem.bundle);
  const parts: Record<Part, string | number> = {
    certificate: pem.cert,
    chain: pem.chain,
    fullchain: pem.fullchain,
    privateKey: pem.privkey,
    generation: pair.generation,
    fingerprint: pair.leaf.fingerprint,
  };
  const named = namedParts(options).map(([part, name]) => [name, parts[part]] as const);
  return new Secret(JSON.stringify({ ...others, ...Object.fromEntries(named) }));
}

/** Names of the members that renewd writes, as a receipt keeps them: a later deploy may have other names. */
export function memberNames(options: LayoutOptions): string {
  return options.layout === "pem" ? "" : JSON.stringify(namedParts(options).map(([, name]) => name));
}

const names = z.array(z.string());

export interface HeldSecret {
  /** null: it holds no text. */
  readonly text: string | null;
  /** `memberNames` of the receipt; undefined: there is none. */
  readonly members: unknown;
  /** What people call it, such as `the secret tls/www`. */
  readonly shown: string;
}

/**
 * What others keep in the secret's object beside the pair. Throws `deploy.refused` where the layout has no place for
 * it.
 */
export function othersIn({ text, members, shown }: HeldSecret, options: LayoutOptions): OtherMembers {
  const held = jsonObject(text);
  if (held === null) return {};
  const before = names.safeParse(jsonOrNull(typeof members === "string" ? members : "")).data ?? PARTS;
  const ours = new Set<string>([...before, ...namedParts(options).map(([, name]) => name)]);
  const others = Object.entries(held).filter(([name]) => !ours.has(name));
  if (options.layout === "json" || others.length === 0) return Object.fromEntries(others);
  const named = sanitize(others.map(([name]) => name).join(", "), NAMES_CHARACTERS_MAX);
  throw new RenewalError(
    "deploy.refused",
    `${shown} holds members that renewd did not write (${named}), which \`layout: pem\` cannot keep: use \`layout: json\`, ` +
      "or name another secret",
  );
}

/** The pair in a secret's text, for an inspection. */
export function pairIn(text: string | null, options: LayoutOptions, shown: string): HeldPair {
  if (options.layout === "pem")
    return { certificate: text, key: text, chain: text, names: { certificate: shown, key: shown } };
  const held = jsonObject(text);
  const parts = new Map(namedParts(options));
  const leaf = parts.get("certificate") ?? parts.get("fullchain") ?? "";
  const key = parts.get("privateKey") ?? "";
  const member = (name: string): string | null => {
    const value = held?.[name];
    return typeof value === "string" ? value : null;
  };
  const named = { certificate: `${leaf} of ${shown}`, key: `${key} of ${shown}` };
  const chain = parts.get("chain") ?? parts.get("fullchain");
  return { certificate: member(leaf), key: member(key), chain: chain && (member(chain) ?? ""), names: named };
}

function namedParts({ keys }: LayoutOptions): readonly (readonly [Part, string])[] {
  return PARTS.flatMap((part) => {
    const name = keys === undefined ? part : keys[part];
    return name === undefined ? [] : [[part, name] as const];
  });
}

/** null: the text is no JSON object. */
function jsonObject(text: string | null): Readonly<Record<string, unknown>> | null {
  return z.record(z.string(), z.unknown()).safeParse(jsonOrNull(text ?? "")).data ?? null;
}
