import { describe, expect, it } from "vitest";
import { z } from "zod";
import { dependencies } from "../support/pairs/targetSecrets.ts";
import { DEPLOYERS } from "../support/plugins.ts";

const FILE = "/c/{certificate}.pem";
const LOGIN = { username: "u", password: "env:P" };
/** The options that each kind must have. */
const EXAMPLES: Readonly<Record<string, object>> = {
  files: { directory: "/c", fullchain: "{certificate}.pem" },
  certbot: {},
  nginx: { bundle: FILE },
  apache: { bundle: FILE },
  haproxy: { socket: "/s", file: FILE },
  "haproxy-dataplane": { url: "https://lb:5555", ...LOGIN },
  caddy: { file: FILE },
  traefik: { file: FILE, dynamicFile: "/d/{certificate}.yml" },
  envoy: { file: "/c/{certificate}.yaml" },
  postfix: { bundle: FILE },
  dovecot: { bundle: FILE },
  postgresql: { bundle: FILE, dataDirectory: "/d" },
  mosquitto: { bundle: FILE },
  ssh: {
    ...{ host: "h", user: "u", hostKey: `SHA256:${"A".repeat(43)}`, agentSocket: "/a" },
    ...{ directory: "/c", bundle: "{certificate}.pem" },
  },
  exec: { command: ["true"], record: "/r/{certificate}.json" },
  "acme.sh": { home: "/h", hook: "x", record: "/r/{certificate}.json" },
  webhook: { url: "https://hook.test/", secret: "env:S" },
  vault: { address: "https://vault.test", auth: { token: "env:T" } },
  kubernetes: { namespace: "web" },
  cloudflare: { zone: "0".repeat(32), token: "env:T" },
  "f5-bigip": { address: "https://bigip.test", user: "u", password: "env:P", profile: "/Common/www" },
  "azure-key-vault": { vault: "https://edge.vault.azure.net" },
  "gcp-certificate-manager": { project: "my-project-123" },
  "gcp-secret-manager": { project: "my-project-123" },
  "aws-acm": { region: "eu-west-1" },
  "aws-iam": {},
  "aws-secrets-manager": { region: "eu-west-1", secret: "tls/{certificate}" },
};

describe("the registry of deployers", () => {
  it("names each kind once", () => {
    const types = DEPLOYERS.map(({ type }) => type);
    expect(types).toEqual([...new Set(types)]);
    expect(types).toEqual(
      expect.arrayContaining(["files", "haproxy", "nginx", "aws-acm", "aws-secrets-manager", "aws-iam"]),
    );
    expect(types).toEqual(expect.arrayContaining(["certbot", "haproxy-dataplane", "caddy", "traefik", "envoy"]));
    expect(types).toEqual(expect.arrayContaining(["ssh", "exec", "acme.sh", "webhook"]));
    expect(types).toEqual(
      expect.arrayContaining([
        "vault",
        "kubernetes",
        "cloudflare",
        "azure-key-vault",
        "gcp-certificate-manager",
        "gcp-secret-manager",
        "f5-bigip",
      ]),
    );
    expect(types).toEqual(expect.arrayContaining(["apache", "postfix", "dovecot", "postgresql", "mosquitto"]));
  });

  it.each(DEPLOYERS.map((plugin) => [plugin.type, plugin] as const))(
    "gives %s a schema that tells editors what every option means and refuses unknown ones",
    (_type, plugin) => {
      const schema = z.toJSONSchema(plugin.options, { io: "input" });
      expect(schema.additionalProperties).toBe(false);
      const undescribed = Object.entries(schema.properties ?? {}).filter(
        ([, property]) => typeof property !== "object" || !property.description,
      );
      expect(undescribed.map(([name]) => name)).toEqual([]);
      expect(plugin.description).toMatch(/\.$/);
      expect(plugin.options.safeParse({ "no-such-option": 1 }).success).toBe(false);
    },
  );

  // Whoever runs a program or calls a URL does not know where that puts the pair.
  const BLIND = ["exec", "acme.sh", "webhook"];

  it.each(Object.entries(EXAMPLES))(
    "inspects what a target of kind %s holds, unless nobody could tell",
    (type, options) => {
      const plugin = DEPLOYERS.find((one) => one.type === type) ?? expect.unreachable();
      const deployer = plugin.create(plugin.options.parse(options), dependencies("target", {}));
      expect(deployer.inspect === undefined).toBe(BLIND.includes(type));
    },
  );

  it("has an example of every kind", () => {
    expect(Object.keys(EXAMPLES).sort()).toEqual(DEPLOYERS.map(({ type }) => type).sort());
  });

  it.each([
    ["files", { directory: "/c", fullchain: "{certificate}.pem" }],
    ["files", { pkcs12: "/c/{certificate}.p12", jks: "/c/{certificate}.jks", password: "env:P" }],
    ["certbot", {}],
    ["caddy", { file: "/c/{certificate}.pem" }],
    ["traefik", { file: "/c/{certificate}.pem", dynamicFile: "/d/{certificate}.yml" }],
    ["envoy", { file: "/c/{certificate}.yaml" }],
    ["haproxy-dataplane", { url: "https://lb:5555", username: "u", password: "env:P" }],
    ["haproxy", { socket: "/s", file: "/c/{certificate}.pem" }],
    [
      "ssh",
      {
        host: "h",
        user: "u",
        hostKey: `SHA256:${"A".repeat(43)}`,
        agentSocket: "/a",
        directory: "/c",
        bundle: "{certificate}.pem",
      },
    ],
    ["exec", { command: ["true"], record: "/r/{certificate}.json" }],
    ["acme.sh", { home: "/h", hook: "x", record: "/r/{certificate}.json" }],
    ["nginx", { fullchain: "/c/{certificate}.pem", privkey: "/k/{certificate}.pem" }],
    ["vault", { address: "https://vault.test", auth: { token: "env:T" } }],
    ["kubernetes", { namespace: "web" }],
    ["azure-key-vault", { vault: "https://edge.vault.azure.net" }],
    ["gcp-certificate-manager", { project: "my-project-123" }],
    ["gcp-secret-manager", { project: "my-project-123" }],
    ["postfix", { bundle: "/c/{certificate}.pem" }],
    ["postgresql", { bundle: "/c/{certificate}.pem", dataDirectory: "/d" }],
  ])("lets two certificates of one %s target not occupy the same place", (type, options) => {
    const plugin = DEPLOYERS.find((one) => one.type === type);
    const parsed = plugin?.options.parse(options);
    const [a, b] = ["a", "b"].map((certificate) => plugin?.occupies?.(parsed, certificate) ?? []);
    expect(a?.length).toBeGreaterThan(0);
    expect(a?.filter((path) => b?.includes(path))).toEqual([]);
  });
});
