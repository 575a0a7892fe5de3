import type { Deployer } from "../domain/deployer.ts";
import { definePlugin, type RegisteredPlugin } from "../domain/plugin.ts";
import { acmeSh } from "./acmeSh.ts";
import { apache } from "./apache.ts";
import { awsAcm } from "./awsAcm.ts";
import { awsIam } from "./awsIam.ts";
import { awsSecretsManager } from "./awsSecretsManager.ts";
import { azureKeyVault } from "./azureKeyVault.ts";
import { caddy } from "./caddy.ts";
import { certbot } from "./certbot.ts";
import { cloudflare } from "./cloudflare.ts";
import type { DeployerDependencies } from "./dependencies.ts";
import { dovecot } from "./dovecot.ts";
import { envoy } from "./envoy.ts";
import { exec } from "./exec.ts";
import { f5BigIp } from "./f5BigIp.ts";
import { files } from "./files.ts";
import { gcpCertificateManager } from "./gcpCertificateManager.ts";
import { gcpSecretManager } from "./gcpSecretManager.ts";
import { haproxy } from "./haproxy.ts";
import { haproxyDataplane } from "./haproxyDataplane.ts";
import { kubernetes } from "./kubernetes.ts";
import { mosquitto } from "./mosquitto.ts";
import { nginx } from "./nginx.ts";
import { postfix } from "./postfix.ts";
import { postgresql } from "./postgresql.ts";
import { ssh } from "./ssh.ts";
import { traefik } from "./traefik.ts";
import { vault } from "./vault.ts";
import { webhook } from "./webhook.ts";

export type { DeployerDependencies } from "./dependencies.ts";

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
