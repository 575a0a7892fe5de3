import type { Deployer } from "../domain/deployer.ts";
import { definePlugin, type Plugin, type RegisteredPlugin } from "../domain/plugin.ts";
import { awsAcm } from "./aws/acm.ts";
import { awsIam } from "./aws/iam.ts";
import { awsSecretsManager } from "./aws/secretsManager.ts";
import { azureKeyVault } from "./azure/keyVault.ts";
import type { DeployerDependencies } from "./base/dependencies.ts";
import { guardKey } from "./base/guardKey.ts";
import { caddy } from "./caddy/caddy.ts";
import { cloudflare } from "./cloudflare/cloudflare.ts";
import { f5BigIp } from "./f5/bigIp.ts";
import { certbot } from "./files/certbot.ts";
import { files } from "./files/files.ts";
import { gcpCertificateManager } from "./google/certificateManager.ts";
import { gcpSecretManager } from "./google/secretManager.ts";
import { haproxyDataplane } from "./haproxy/dataplane.ts";
import { haproxy } from "./haproxy/haproxy.ts";
import { kubernetes } from "./kubernetes/kubernetes.ts";
import { acmeSh } from "./programs/acmeSh.ts";
import { exec } from "./programs/exec.ts";
import { webhook } from "./programs/webhook.ts";
import { apache } from "./servers/apache.ts";
import { dovecot } from "./servers/dovecot.ts";
import { envoy } from "./servers/envoy.ts";
import { mosquitto } from "./servers/mosquitto.ts";
import { nginx } from "./servers/nginx.ts";
import { postfix } from "./servers/postfix.ts";
import { postgresql } from "./servers/postgresql.ts";
import { traefik } from "./servers/traefik.ts";
import { ssh } from "./ssh/ssh.ts";
import { vault } from "./vault/vault.ts";

export type { DeployerDependencies } from "./base/dependencies.ts";

/** Every kind of target. A new one is a file in its family and a line here. */
export const DEPLOYERS: readonly RegisteredPlugin<DeployerDependencies, Deployer>[] = [
  guarded(files),
  guarded(certbot),
  guarded(haproxy),
  guarded(haproxyDataplane),
  guarded(nginx),
  guarded(caddy),
  guarded(traefik),
  guarded(envoy),
  guarded(apache),
  guarded(postfix),
  guarded(dovecot),
  guarded(postgresql),
  guarded(mosquitto),
  guarded(awsAcm),
  guarded(awsSecretsManager),
  guarded(awsIam),
  guarded(ssh),
  guarded(exec),
  guarded(acmeSh),
  guarded(webhook),
  guarded(vault),
  guarded(kubernetes),
  guarded(cloudflare),
  guarded(azureKeyVault),
  guarded(gcpCertificateManager),
  guarded(gcpSecretManager),
  guarded(f5BigIp),
];

function guarded<Options>(
  plugin: Plugin<Options, DeployerDependencies, Deployer>,
): RegisteredPlugin<DeployerDependencies, Deployer> {
  return definePlugin(guardKey(plugin));
}
