#!/bin/sh
# Goldsmith: installs the SSM agent if there is none, from a package whose signature is checked.
set -u
umask 022
say() { echo "goldsmith: $1"; }
mark=/var/lib/goldsmith/ssm-agent-installed
failed() {
  rm -f "$mark"
  say "the SSM agent is not installed: $1"
  exit 1
}
for there in /usr/bin/amazon-ssm-agent /snap/amazon-ssm-agent /var/lib/snapd/seed/snaps/amazon-ssm-agent_*.snap \
  /lib/systemd/system/amazon-ssm-agent.service /usr/lib/systemd/system/amazon-ssm-agent.service \
  /etc/systemd/system/amazon-ssm-agent.service /etc/systemd/system/snap.amazon-ssm-agent.amazon-ssm-agent.service; do
  [ ! -e "$there" ] || exit 0
done
has() { command -v "$1" >/dev/null 2>&1; }

ids=$(. /etc/os-release 2>/dev/null && echo "${ID:-} ${ID_LIKE:-}")
kind=
for id in $ids; do
  case "$id" in
    debian | ubuntu) kind=deb ;;
    rhel | centos | rocky | almalinux | ol | fedora | amzn | sles | suse) kind=rpm ;;
    *) continue ;;
  esac
  break
done
[ -n "$kind" ] || failed "AWS has no package for this distribution (ID and ID_LIKE are '$ids')"
case "$(uname -m)" in
  x86_64) machine=amd64 ;;
  aarch64) machine=arm64 ;;
  *) failed "AWS has no package for the architecture $(uname -m)" ;;
esac
case "$kind" in
  deb) url="@BASE@/debian_$machine/amazon-ssm-agent.deb" ;;
  rpm) url="@BASE@/linux_$machine/amazon-ssm-agent.rpm" ;;
esac

work=$(mktemp -d) || failed "no folder can be created in ${TMPDIR:-/tmp}"
trap 'rm -rf "$work"' EXIT
package="$work/amazon-ssm-agent.$kind"

# The network may come up only after this script has started.
fetch() {
  for pause in 2 5 10 20 40 0; do
    if has curl; then
      curl --fail --silent --show-error --location --connect-timeout 10 --max-time 300 --output "$2" "$1" 2>"$work/said"
    elif has wget; then
      wget --quiet --tries 1 --timeout 60 --output-document "$2" "$1" 2>"$work/said"
    elif has python3; then
      python3 -c 'import sys, urllib.request as r; r.urlretrieve(sys.argv[1], sys.argv[2])' "$1" "$2" 2>"$work/said"
    else
      failed "none of curl, wget and python3 is installed to fetch it"
    fi && return
    [ "$pause" = 0 ] || sleep "$pause"
  done
  failed "$1 cannot be fetched ($(tail -n 1 "$work/said"))"
}
fetch "$url" "$package"
fetch "$url.sig" "$package.sig"

for key in @KEYS@; do
  echo "$key" | base64 -d >>"$work/keys.gpg" || failed "base64 cannot read the public key"
  printf -- '-----BEGIN PGP PUBLIC KEY BLOCK-----\n\n%s\n-----END PGP PUBLIC KEY BLOCK-----\n' "$(echo "$key" | fold -w 64)" \
    >"$work/key-$(ls "$work" | wc -l).asc"
done
# An expired key still shows who signed the package; a revoked key does not.
valid() { grep -q '^\[GNUPG:\] VALIDSIG ' "$1" && ! grep -Eq '^\[GNUPG:\] (BADSIG|ERRSIG|REVKEYSIG|EXPSIG) ' "$1"; }
if has gpgv; then
  gpgv --status-fd 1 --keyring "$work/keys.gpg" "$package.sig" "$package" >"$work/status" 2>/dev/null
  valid "$work/status"
elif has gpg; then
  mkdir -m 0700 "$work/home"
  gpg --homedir "$work/home" --batch --quiet --import "$work/keys.gpg" 2>/dev/null
  gpg --homedir "$work/home" --batch --status-fd 1 --verify "$package.sig" "$package" >"$work/status" 2>/dev/null
  valid "$work/status"
elif has sqv; then
  sqv --keyring "$work/keys.gpg" "$package.sig" "$package" >/dev/null 2>&1
elif [ "$kind" = rpm ]; then
  # A separate database keeps the image's own from trusting the key. An unsigned package would pass with its digests alone.
  for key in "$work"/key-*.asc; do rpm --dbpath "$work/rpm" --import "$key" 2>/dev/null; done
  rpm --dbpath "$work/rpm" -Kv "$package" >"$work/status" 2>/dev/null && grep -Eiq 'signature, key id .*: ok' "$work/status"
else
  failed "none of gpgv, gpg and sqv is installed to check its signature"
fi || failed "the signature of $url is not by a trusted key"

# The clean-up of the image removes what this mark names. It is written first, since this script does not run a second time.
mkdir -p "${mark%/*}" && echo "$kind" >"$mark" || say "$mark cannot be written: the image will keep the SSM agent"
# Another package manager may be running in the first minutes.
for pause in 5 10 20 30 60 60 60 0; do
  case "$kind" in
    deb) DEBIAN_FRONTEND=noninteractive dpkg --install "$package" >"$work/said" 2>&1 ;;
    rpm) rpm --upgrade "$package" >"$work/said" 2>&1 ;;
  esac && break
  [ "$pause" != 0 ] && grep -Eqi 'lock' "$work/said" || failed "$(tail -n 1 "$work/said")"
  sleep "$pause"
done
# The package enables and starts its unit itself. If that start failed, it is tried again here, and a failure is printed.
if has systemctl && [ -d /run/systemd/system ]; then
  systemctl start amazon-ssm-agent.service >"$work/said" 2>&1 ||
    say "the SSM agent is installed, but its unit does not start ($(tail -n 1 "$work/said"))"
fi
say "the SSM agent is installed"
