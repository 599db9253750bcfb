#!/bin/sh
# Checks for what compiling, packaging and running need, before any of them begins. On Debian and Ubuntu, as root or
# with `sudo -n`, the script installs what is missing. Elsewhere, it names what is missing. The exit code is 3 if
# something stays missing.
#
#   preflight.sh [compiler] [instances]    `compiler`: Rust and a linker; `instances`: root or user namespaces
set -u

compiler='' instances=''
for wanted; do
  case $wanted in
    compiler) compiler=yes ;;
    instances) instances=yes ;;
    *) echo "preflight.sh: $wanted is neither compiler nor instances" >&2; exit 2 ;;
  esac
done

lacking() {
  echo "goldsmith: this machine lacks what is needed: $1" >&2
  exit 3
}

if [ "$(id -u)" = 0 ]; then
  root=
elif sudo -n true 2>/dev/null; then
  root="sudo -n"
else
  root=none
fi
user_namespaces() {
  unshare --user --map-root-user --mount --pid --fork --propagation private mount -t proc proc /proc 2>/dev/null
}
if [ "$instances" ] && [ "$root" = none ] && ! user_namespaces; then
  lacking "user namespaces or root for the instances (allow them, run as root, or let this user run \`sudo -n\`; \`goldsmith local doctor\` says why they do not work)"
fi

[ -z "$compiler" ] || command -v cargo >/dev/null || lacking "cargo, Rust's build tool (https://rustup.rs)"

missing=
needs() { # PACKAGE COMMAND...: PACKAGE is the Debian package with which COMMAND succeeds
  package=$1
  shift
  "$@" >/dev/null 2>&1 || missing="$missing $package"
}
if [ "$compiler" ]; then
  needs build-essential cc --version
fi
needs python3-venv python3 -c 'import sys, venv, ensurepip; assert sys.version_info >= (3, 10)'
if [ "$instances" ]; then
  needs mmdebstrap mmdebstrap --version
fi
if [ "${GOLDSMITH_REQUIRE_E2E:-}" = 1 ]; then
  # Independent clients of the local EC2. The suite skips missing clients, except when everything is required.
  needs packer packer version
  needs openssh-client command -v ssh-keygen
  # Keys for the tests of components that check signatures.
  needs gnupg gpg --version
  needs gpgv gpgv --version
  # Programs for every isolation of the instances. An isolation without its programs would be skipped.
  needs uidmap command -v newuidmap
  needs systemd-container systemd-nspawn --version
  # Programs for the instances' own networks.
  needs passt pasta --version
  needs iproute2 ip -Version
fi
[ -n "$missing" ] || exit 0

if [ "$root" = none ] || ! command -v apt-get >/dev/null; then
  lacking "install$missing (names of Debian's packages)"
fi
echo "Installing$missing by apt-get."
# shellcheck disable=SC2086 # words: a command and package names
$root env DEBIAN_FRONTEND=noninteractive sh -c 'apt-get update -q && apt-get install -q -y --no-install-recommends "$@"' \
  sh $missing >/dev/null || lacking "apt-get could not install$missing"
