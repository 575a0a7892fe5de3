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

/** `_post BODY URL [BASE64] [METHOD] [TYPE]` and `_get URL` print the body, and send the headers _H1 to _H5. */
const SEND = `
const [method, url, body, type] = process.argv.slice(1);
const own = [1, 2, 3, 4, 5].map((n) => process.env["_H" + n]).filter(Boolean);
const headers = own.map((line) => [line.slice(0, line.indexOf(":")), line.slice(line.indexOf(":") + 1).trim()]);
if (type) headers.push(["content-type", type]);
fetch(url, { method, headers, ...(method === "POST" && { body }) })
  .then(async (reply) => process.stdout.write(await reply.text()))
  .catch(() => process.exit(1));
`;

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
_readaccountconf_mutable() { sed -n "s/^SAVED_$1='\\(.*\\)'$/\\1/p" "$LE_CONFIG_HOME/account.conf" 2>/dev/null | tail -n 1; }
_contains() { printf '%s' "$1" | grep -F -e "$2" >/dev/null 2>&1; }
_egrep_o() { grep -E -o -e "$1"; }
_get() { NODE_OPTIONS= "${process.execPath}" -e "$SEND" GET "$1"; }
_post() { NODE_OPTIONS= "${process.execPath}" -e "$SEND" "\${4:-POST}" "$2" "$1" "$5"; }
export SEND='${SEND}'
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
