#!/usr/bin/env bash
# Unpacks a newer Pebble (ARI, profiles, IP identifiers) from a later Debian suite into .peers/pebble and prints the path
# of its bin directory. Nothing is installed, no apt source of the system is touched. Called by bootstrap.sh for the tests.
# usage: scripts/get-pebble.sh [SUITE…]   default: sid, then trixie; the first that has the package wins
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly target=.peers/pebble
readonly keyring=/usr/share/keyrings/debian-archive-keyring.gpg
suites=("$@")
[ ${#suites[@]} -gt 0 ] || suites=(sid trixie)

if [ -x "$target/usr/bin/pebble" ]; then
  echo "$PWD/$target/usr/bin"
  exit 0
fi
command -v apt-get >/dev/null && [ -r "$keyring" ] || { echo "get-pebble: needs Debian's apt-get and $keyring" >&2; exit 1; }
# The mirror this machine already uses, so that it works behind a proxy or an own mirror too.
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 2>/dev/null | grep -m1 '/debian/\?$') ||
  { echo "get-pebble: apt knows no Debian mirror here; add one to /etc/apt and run apt-get update" >&2; exit 1; }

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
cat >"$work/apt.conf" <<CONF
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "-";
Dir::State::lists "$work/lists";
Dir::Cache "$work/cache";
APT::Sandbox::User "$(id -un)";
Acquire::Languages "none";
CONF
export APT_CONFIG=$work/apt.conf
for suite in "${suites[@]}"; do
  echo "deb [signed-by=$keyring] $mirror $suite main" >"$work/sources.list"
  { apt-get -qq update && (cd "$work" && apt-get -qq download pebble); } >&2 || continue
  mkdir -p "$target.new"
  dpkg -x "$work"/pebble_*.deb "$target.new"
  dpkg-deb -f "$work"/pebble_*.deb Version >"$target.new/VERSION"
  rm -rf "$target"
  mv "$target.new" "$target" # Whole or not at all: a half-unpacked one would look ready.
  echo "$PWD/$target/usr/bin"
  exit 0
done
echo "get-pebble: none of ${suites[*]} could be read or has pebble" >&2
exit 1
