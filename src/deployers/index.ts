import type { Deployer } from "../domain/deployer.ts";
import { definePlugin, type RegisteredPlugin } from "../domain/plugin.ts";
import { awsAcm } from "./aws/acm.ts";
import { awsIam } from "./aws/iam.ts";
import { awsSecretsManager } from "./aws/secretsManager.ts";
import { azureKeyVault } from "./azure/keyVault.ts";
import type { DeployerDependencies } from "./base/dependencies.ts";
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

/** Every kind of target. A new one is a file in this folder and a line here. */
export const DEPLOYERS: readonly RegisteredPlugin<DeployerDependencies, Deployer>[] = [
  definePlugin(files),
  definePlugin(certbot),
  definePlugin(haproxy),
  definePlugin(haproxyDataplane),
  definePlugin(nginx),
  definePlugin(caddy),
  definePlugin(traefik),
  definePlugin(envoy),
  definePlugin(apache),
  definePlugin(postfix),
  definePlugin(dovecot),
  definePlugin(postgresql),
  definePlugin(mosquitto),
  definePlugin(awsAcm),
  definePlugin(awsSecretsManager),
  definePlugin(awsIam),
  definePlugin(ssh),
  definePlugin(exec),
  definePlugin(acmeSh),
  definePlugin(webhook),
  definePlugin(vault),
  definePlugin(kubernetes),
  definePlugin(cloudflare),
  definePlugin(azureKeyVault),
  definePlugin(gcpCertificateManager),
  definePlugin(gcpSecretManager),
  definePlugin(f5BigIp),
];
