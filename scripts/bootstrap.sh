#!/usr/bin/env bash
# Brings this checkout and machine to where the named task can run. Idempotent, quiet unless it acts, safe to run concurrently.
# usage: scripts/bootstrap.sh modules   npm packages and Node 26, inside this checkout only
#                             demo      … and the servers the demo starts
#                             bench     … and the tools that the benchmarks compare with
#                             test|ci   … and what the tests need beyond that: more packages, and a newer Pebble in .peers/
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly task=${1:-demo}
case $task in
  modules | demo | bench | test | ci) ;;
  *) echo "bootstrap: unknown task '$task'; use modules, demo, bench, test or ci" >&2; exit 2 ;;
esac
# Debian keeps servers in sbin, which the PATH of an ordinary user lacks.
export PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

# --- npm packages -----------------------------------------------------------------------------------------------------
readonly stamp=node_modules/.renewd-stamp

fingerprint() { { uname -sm; cat package-lock.json; } | sha256sum | cut -d' ' -f1; }

modules_ready() {
  [ -x node_modules/.bin/node ] || return 1
  [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$(fingerprint)" ] && return 0
  # After `npm install` by hand npm's own record is newer than the lock file: nothing to do, and nothing to delete.
  [ -f node_modules/.package-lock.json ] && [ ! package-lock.json -nt node_modules/.package-lock.json ] || return 1
  fingerprint >"$stamp"
}

install_modules() {
  # npm replaces packages file by file through the link: whoever uses that directory meanwhile meets half-written ones.
  if [ -L node_modules ]; then
    echo "bootstrap: node_modules is a link to $(readlink node_modules), which is not up to date: run scripts/bootstrap.sh there" >&2
    exit 1
  fi
  command -v npm >/dev/null || { echo "bootstrap: npm is missing; install Node.js 20 or later with npm (Debian: apt-get install nodejs npm)" >&2; exit 1; }
  echo "bootstrap: installing npm packages (and Node 26 beside them)" >&2
  # Not `npm ci`: it refuses a lock file without the builds for other platforms, which is what npm writes behind a mirror
  # that lacks them (npm/cli#9846). This installs the locked versions just the same and leaves the lock file alone.
  # Warnings are hidden because an older system Node is expected: the packages run under the Node that comes with them.
  npm install --no-save --no-progress --loglevel=error >&2
  [ -x node_modules/.bin/node ] && node_modules/.bin/node -e 'const [major, minor] = process.versions.node.split(".").map(Number); process.exit(major > 26 || (major === 26 && minor >= 9) ? 0 : 1)' || {
    echo "bootstrap: the npm package 'node' did not bring Node 26; allow its install script (npm config set ignore-scripts false) and run again" >&2
    exit 1
  }
  fingerprint >"$stamp"
}

# --- Debian packages --------------------------------------------------------------------------------------------------
for_tests() { [ "$task" = test ] || [ "$task" = ci ]; }

missing_packages() {
  local wanted=(redis-server:redis-server pebble:pebble haproxy:haproxy nginx:nginx openssl:openssl)
  if [ "$task" = bench ]; then wanted+=(caddy:caddy lego:lego); fi
  if for_tests; then
    wanted+=(strace:strace faketime:faketime ip:iproute2 caddy:caddy keytool:default-jre-headless sshd:openssh-server)
    wanted+=(promtool:prometheus zsh:zsh fish:fish)
    wanted+=(prometheus-alertmanager:prometheus-alertmanager apprise:apprise)
    wanted+=(chromium:chromium lego:lego certbot:certbot pdns_server:pdns-server)
    wanted+=(slapd:slapd mariadbd:mariadb-server vsftpd:vsftpd prosody:prosody)
    wanted+=(apache2:apache2 postfix:postfix dovecot:dovecot-core mosquitto:mosquitto named:bind9 knotd:knot setfacl:acl setfattr:attr)
  fi
  local entry
  for entry in "${wanted[@]}"; do command -v "${entry%%:*}" >/dev/null || printf '%s ' "${entry##*:}"; done
  # Debian keeps PostgreSQL's server programs off PATH, one directory per major version.
  if for_tests || [ "$task" = bench ]; then
    compgen -G '/usr/lib/postgresql/*/bin/initdb' >/dev/null || command -v initdb >/dev/null || printf 'postgresql '
  fi
  # Dovecot's protocols are packages of their own, without a command.
  for_tests || return 0
  local login
  for login in imap-login:imapd pop3-login:pop3d managesieve-login:managesieved; do
    compgen -G "/usr/lib*/dovecot/${login%%:*}" >/dev/null || compgen -G "/usr/libexec/dovecot/${login%%:*}" >/dev/null ||
      printf 'dovecot-%s ' "${login##*:}"
  done
  [ -e /usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql ] || printf 'pdns-backend-sqlite3 '
}

readonly policy=/usr/sbin/policy-rc.d

refuse_unless_root() {
  [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null && return 0
  echo "bootstrap: missing $*; run: sudo apt-get update && sudo apt-get install -y --no-install-recommends $*" >&2
  exit 1
}

install_packages() {
  local packages=("$@")
  echo "bootstrap: installing Debian packages: ${packages[*]}" >&2
  # Debian starts and enables what it installs. We want the programs only: demo and tests start private instances on
  # ports of their own, and a system redis or nginx would sit on ports that are not ours to take.
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM HUP
    printf '#!/bin/sh\n# Written by renewd scripts/bootstrap.sh for the length of one apt-get run.\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  if [[ " ${packages[*]} " == *" postgresql "* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  local before after unit log
  before=$(enabled_units)
  log=$(mktemp)
  export DEBIAN_FRONTEND=noninteractive
  # A failed update (one dead third-party source) need not matter: what counts is whether the packages can be installed.
  if ! { apt-get -qq update || true; apt-get -qq -y -o DPkg::Lock::Timeout=300 -o Dpkg::Options::=--force-confdef \
    -o Dpkg::Options::=--force-confold install --no-install-recommends "${packages[@]}"; } >"$log" 2>&1 </dev/null; then
    tail -n 20 "$log" >&2
    echo "bootstrap: apt-get could not install ${packages[*]}; the end of its output is above, all of it in $log" >&2
    exit 1
  fi
  rm -f "$log"
  after=$(enabled_units)
  for unit in $(LC_ALL=C comm -13 <(echo "$before") <(echo "$after")); do systemctl disable --quiet "$unit" || true; done
  # Debian's slapd has a script for init alone.
  if [[ " ${packages[*]} " == *" slapd "* ]]; then update-rc.d slapd disable >/dev/null 2>&1 || true; fi
  local left
  left=$(missing_packages)
  [ -z "$left" ] || { echo "bootstrap: apt-get installed ${packages[*]} but the programs of $left are still not found" >&2; exit 1; }
}

# Units that would start at the next boot; empty where there is no systemd.
enabled_units() {
  command -v systemctl >/dev/null || return 0
  { systemctl list-unit-files --state=enabled --no-legend --no-pager 2>/dev/null || true; } | awk '{print $1}' | LC_ALL=C sort
}

# --- one at a time ----------------------------------------------------------------------------------------------------
packages_ready() { [ "$task" = modules ] || [ -z "$(missing_packages)" ]; }

# Tests of ARI, profiles and IP identifiers need a newer Pebble than Debian stable's; it stays inside this checkout.
peers_ready() { ! for_tests || [ -x .peers/pebble/usr/bin/pebble ]; }

if modules_ready && packages_ready && peers_ready; then exit 0; fi

# The directories themselves are the locks: nothing to create, nothing left behind, released when this process ends.
# After waiting, another run may have done the work: so each is asked again.
if ! packages_ready; then
  read -ra missing <<<"$(missing_packages)"
  refuse_unless_root "${missing[@]}"
  exec 8</var/lib/dpkg
  flock 8
  read -ra missing <<<"$(missing_packages)"
  [ ${#missing[@]} = 0 ] || install_packages "${missing[@]}" 8<&-
  exec 8<&-
fi
exec 9<.
flock 9
modules_ready || install_modules 9<&-
peers_ready || { echo "bootstrap: unpacking a newer Pebble into .peers/" >&2; bash scripts/get-pebble.sh >/dev/null 9<&-; }
