#!/bin/sh
# rpm-vercmp 0.1.2: a version with a caret is newer than every later release.
#
# Guess: the port of rpm's comparison knows `^`, which Fedora and Amazon Linux use for snapshots after a release: rpm (4.15 and later,
#   rpm-version(7)) sorts `1.0^20240101` above `1.0` and below `1.0.1`.
# Behaviour: it drops the caret like any other separator, so the snapshot's date is compared with the next number. A report of two
#   images' packages calls the update from the snapshot to 1.0.1 a downgrade. univers 32.0.1 sorts as rpm does.
# Seen: rpm-vercmp: 1.0^20240101 > 1.0 and > 1.0.1; univers: > 1.0 and < 1.0.1; both know `~`
#
# It installs rpm-vercmp and univers in a temporary folder, fails when the behaviour has changed, and cleans up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check rpm-vercmp==0.1.2 univers==32.0.1
"$folder/venv/bin/python" - <<'PYTHON'
from rpm_vercmp import vercmp
from univers.versions import RpmVersion

PAIRS = [("1.0^20240101", "1.0"), ("1.0^20240101", "1.0.1"), ("1.0~rc1", "1.0")]


def order(first, second):
    first, second = RpmVersion(first), RpmVersion(second)
    return (first > second) - (first < second)


by_port = [vercmp(*pair) for pair in PAIRS]
by_univers = [order(*pair) for pair in PAIRS]
print("rpm-vercmp:", *by_port, "univers:", *by_univers)
assert by_port == [1, 1, -1], "changed"
assert by_univers == [1, -1, -1], "changed"
PYTHON
