// A stand-in for the user's own acme.sh, which is GPL and never part of this project: it keeps the contract a deploy
// hook relies on (acme.sh wiki, "deployhooks" and "DNS API Dev Guide"): sourced without arguments it prints its help,
// `_initpath` sets the paths that are not set yet, hooks log by `_err`/`_info`/`_debug` and save what they were given
// in the domain's file.
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";

export interface AcmeShHome {
  readonly path: string;
  /** Writes deploy/NAME.sh with a function NAME_deploy of this body. */
  hook(name: string, body: string): Promise<void>;
  /** Writes dnsapi/NAME.sh with the text of its info block, and NAME_add and NAME_rm of these bodies. */
  dnsapi(name: string, script: { readonly info: string; readonly add: string; readonly rm: string }): Promise<void>;
}

const SCRIPT = `#!/usr/bin/env sh
_initpath() {
  : "\${LE_CONFIG_HOME:=$HOME/.acme.sh}"
  [ -n "$1" ] || return 0
  : "\${DOMAIN_PATH:=$LE_CONFIG_HOME/$1}"
  : "\${DOMAIN_CONF:=$DOMAIN_PATH/$1.conf}"
  : "\${CERT_KEY_PATH:=$DOMAIN_PATH/$1.key}"
}
_info() { printf '%s\\n' "$*"; }
_err() { printf '%s\\n' "$*" >&2; }
_debug() { :; }
_saveaccountconf_mutable() { printf "SAVED_%s='%s'\\n" "$1" "$2" >>"$LE_CONFIG_HOME/account.conf"; }
_readaccountconf_mutable() { :; }
_savedeployconf() { printf "SAVED_%s='%s'\\n" "$1" "$2" >>"$DOMAIN_CONF"; }
main() {
  [ -n "$1" ] || { _initpath; echo "Usage: acme.sh <command> ..."; return 0; }
  exit 64
}
main "$@"
`;

export async function createAcmeShHome(path: string): Promise<AcmeShHome> {
  await mkdir(join(path, "deploy"), { recursive: true });
  await writeFile(join(path, "acme.sh"), SCRIPT, { mode: 0o755 });
  return {
    path,
    hook: (name, body) => writeFile(join(path, "deploy", `${name}.sh`), `${name}_deploy() {\n${body}\n}\n`),
    async dnsapi(name, { info, add, rm }) {
      await mkdir(join(path, "dnsapi"), { recursive: true });
      const text = `#!/usr/bin/env sh\n${name}_info='${info}'\n\n${name}_add() {\n${add}\n}\n${name}_rm() {\n${rm}\n}\n`;
      await writeFile(join(path, "dnsapi", `${name}.sh`), text);
    },
  };
}
