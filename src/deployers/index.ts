import type { Deployer } from "../domain/deployer.ts";
import { definePlugin, type Kind, kindOf, type Plugin, type RegisteredPlugin } from "../domain/plugin.ts";
import type { DeployerDependencies } from "./base/dependencies.ts";
import { guardKey } from "./base/guardKey.ts";

export type { DeployerDependencies } from "./base/dependencies.ts";

export type DeployerPlugin = RegisteredPlugin<DeployerDependencies, Deployer>;

/** Every kind of target. A new one is a file in its family and a line here. */
export const DEPLOYERS: readonly Kind<DeployerPlugin>[] = [
  kind("files", async () => (await import("./files/files.ts")).files),
  kind("certbot", async () => (await import("./files/certbot.ts")).certbot),
  kind("haproxy", async () => (await import("./haproxy/haproxy.ts")).haproxy),
  kind("haproxy-dataplane", async () => (await import("./haproxy/dataplane.ts")).haproxyDataplane),
  kind("nginx", async () => (await import("./servers/nginx.ts")).nginx),
  kind("caddy", async () => (await import("./caddy/caddy.ts")).caddy),
  kind("traefik", async () => (await import("./servers/traefik.ts")).traefik),
  kind("envoy", async () => (await import("./servers/envoy.ts")).envoy),
  kind("apache", async () => (await import("./servers/apache.ts")).apache),
  kind("postfix", async () => (await import("./servers/postfix.ts")).postfix),
  kind("dovecot", async () => (await import("./servers/dovecot.ts")).dovecot),
  kind("postgresql", async () => (await import("./servers/postgresql.ts")).postgresql),
  kind("mosquitto", async () => (await import("./servers/mosquitto.ts")).mosquitto),
  kind("aws-acm", async () => (await import("./aws/acm.ts")).awsAcm),
  kind("aws-secrets-manager", async () => (await import("./aws/secretsManager.ts")).awsSecretsManager),
  kind("aws-iam", async () => (await import("./aws/iam.ts")).awsIam),
  kind("ssh", async () => (await import("./ssh/ssh.ts")).ssh),
  kind("exec", async () => (await import("./programs/exec.ts")).exec),
  kind("acme.sh", async () => (await import("./programs/acmeSh.ts")).acmeSh),
  kind("webhook", async () => (await import("./programs/webhook.ts")).webhook),
  kind("vault", async () => (await import("./vault/vault.ts")).vault),
  kind("kubernetes", async () => (await import("./kubernetes/kubernetes.ts")).kubernetes),
  kind("cloudflare", async () => (await import("./cloudflare/cloudflare.ts")).cloudflare),
  kind("azure-key-vault", async () => (await import("./azure/keyVault.ts")).azureKeyVault),
  kind("gcp-certificate-manager", async () => (await import("./google/certificateManager.ts")).gcpCertificateManager),
  kind("gcp-secret-manager", async () => (await import("./google/secretManager.ts")).gcpSecretManager),
  kind("f5-bigip", async () => (await import("./f5/bigIp.ts")).f5BigIp),
];

function kind<Options>(
  type: string,
  load: () => Promise<Plugin<Options, DeployerDependencies, Deployer>>,
): Kind<DeployerPlugin> {
  return kindOf(type, async () => definePlugin(guardKey(await load())));
}
