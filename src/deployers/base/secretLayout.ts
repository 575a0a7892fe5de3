import { z } from "zod";
import { Secret } from "../../domain/secret.ts";
import type { IssuedCertificate } from "../../domain/version.ts";
import { pairPem } from "./pairPem.ts";

const PARTS = ["certificate", "chain", "fullchain", "privateKey", "generation", "fingerprint"] as const;
type Part = (typeof PARTS)[number];

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

/** Throws `deploy.badPair`. */
export function secretText(pair: IssuedCertificate, { layout, keys }: LayoutOptions): Secret {
  const pem = pairPem(pair);
  if (layout === "pem") return new Secret(pem.bundle);
  const parts: Record<Part, string | number> = {
    certificate: pem.cert,
    chain: pem.chain,
    fullchain: pem.fullchain,
    privateKey: pem.privkey,
    generation: pair.generation,
    fingerprint: pair.leaf.fingerprint,
  };
  const named = PARTS.flatMap((part) => {
    const name = keys === undefined ? part : keys[part];
    return name === undefined ? [] : [[name, parts[part]] as const];
  });
  return new Secret(JSON.stringify(Object.fromEntries(named)));
}
