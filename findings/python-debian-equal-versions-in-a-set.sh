#!/bin/sh
# python-debian 1.1.1: two versions of a package that are equal have different hashes, so that a set or a dict keeps both.
#
# Guess: objects that compare as equal have one hash, so `set(before) ^ set(after)` of two images' package versions shows the packages
#   that differ.
# Behaviour: comparison follows Debian's rules (a revision `-0` and none are equal, and so are `1.00` and `1.0`, and epoch 0 and none);
#   the hash is that of the text. A diff by sets tells of changes that dpkg calls none.
# Seen: equal by pairs: True True True, in one set: 2 2 2, dpkg calls them equal: True True True
#
# It installs python-debian in a temporary folder, fails when the behaviour has changed, and cleans up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check python-debian==1.1.1
"$folder/venv/bin/python" - <<'PYTHON'
import shutil
import subprocess

from debian.debian_support import NativeVersion

PAIRS = [("1.0", "1.0-0"), ("1.00-1", "1.0-1"), ("0:1.0-1", "1.0-1")]


def called_equal(first, second):
    return subprocess.run(["dpkg", "--compare-versions", first, "eq", second], check=False).returncode == 0


equal = [NativeVersion(first) == NativeVersion(second) for first, second in PAIRS]
kept = [len({NativeVersion(first), NativeVersion(second)}) for first, second in PAIRS]
asked = [called_equal(*pair) for pair in PAIRS] if shutil.which("dpkg") else ["not asked"] * 3
print("equal by pairs:", *equal, end=", in one set: ")
print(*kept, end=", dpkg calls them equal: ")
print(*asked)
assert equal == [True] * 3 and kept == [2] * 3, "changed"
PYTHON
