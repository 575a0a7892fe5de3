// The ssh target, made as configuration makes it, for one of our own servers.
import { ssh } from "../../../src/deployers/ssh/ssh.ts";
import type { Deployer } from "../../../src/domain/deployer.ts";
import { dependencies } from "../pairs/targetSecrets.ts";
import type { Sshd } from "./sshd.ts";

export type Options = Readonly<Record<string, unknown>>;

export function sshTarget(options: Options, secrets: Readonly<Record<string, string>>): Deployer {
  return ssh.create(ssh.options.parse(options), dependencies("remote", secrets));
}

/** The options to log in with; the secret SSH_KEY is the key. */
export function loginTo(sshd: Sshd): Options {
  return { host: "127.0.0.1", port: sshd.port, user: sshd.user, hostKey: sshd.hostKey, privateKey: "env:SSH_KEY" };
}
