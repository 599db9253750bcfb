#!/bin/sh
# debsecan 0.4.20.1 (Debian 12) reports what Debian's security tracker calls undetermined like what is open.
#
# Guess: an issue is reported once the tracker has found that the package has it. The tracker keeps a state of its own for what
#   nobody has checked, and writes the word `undetermined` into debsecan's feed, in the place of the version that fixes the issue.
# Behaviour: the word is compared like a version, and sorts after 2.9.14+dfsg-1.3 and others that begin with a digit. The issue gets
#   the line of an open one. Only `--format detail` shows the word, as `fixed in unstable: libxml2 undetermined`. `--only-fixed`
#   leaves out both.
# Seen: undetermined: CVE-2026-0001 libxml2, open: CVE-2026-0002 libxml2, fixed in 2.9.10-1: nothing, details with the word: 1 0
#
# It unpacks Debian's packages in a temporary folder, gives the program a feed there, fails when the behaviour has changed, and cleans
# up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download debsecan=0.4.20.1 python3-apt=2.6.0 2>apt.log || { cat apt.log >&2; exit 1; }
for package in *.deb; do dpkg-deb --extract "$package" tree; done
printf 'Package: libxml2\nStatus: install ok installed\nArchitecture: amd64\nVersion: 2.9.14+dfsg-1.3\n\n' >status

# Prints what debsecan says of an issue, from a feed with the issue's name, whether it is fixed (F), and the fixed version.
ask() {
  python3 -c 'import sys, zlib; sys.stdout.buffer.write(zlib.compress(sys.stdin.buffer.read()))' >feed/bookworm <<FEED
VERSION 1
$1,,A planted issue

libxml2,0,S ?$2,$3,


FEED
  shift 3
  PYTHONPATH=tree/usr/lib/python3/dist-packages /usr/bin/python3 tree/usr/bin/debsecan --source "file://$folder/feed" \
    --suite bookworm --status status --config none --whitelist none "$@"
}

mkdir feed
undetermined=$(ask CVE-2026-0001 ' ' undetermined --format simple)
open=$(ask CVE-2026-0002 ' ' '' --format simple)
fixed=$(ask CVE-2026-0003 F 2.9.10-1 --format simple)
word=$(ask CVE-2026-0001 ' ' undetermined --format detail | grep -c 'fixed in unstable: libxml2 undetermined') || true
none=$(ask CVE-2026-0002 ' ' '' --format detail | grep -c undetermined) || true
only=$(ask CVE-2026-0001 ' ' undetermined --format simple --only-fixed)
echo "undetermined: $undetermined, open: $open, fixed in 2.9.10-1: ${fixed:-nothing}, details with the word: $word $none"
[ "$undetermined, $open, $fixed, $word, $none, $only" = "CVE-2026-0001 libxml2, CVE-2026-0002 libxml2, , 1, 0, " ]
