#!/bin/sh
# packageurl-python 0.17.6 keeps capital letters in package URLs of type deb, which the specification wants in lower case.
#
# Guess: the library normalises what the specification of the type calls case-insensitive, as it does for github: so two SBOMs that
#   write `Debian` and `debian` name the same package.
# Behaviour: namespace and name of a deb are left as they are, and the two are not equal; those of github are lowered. A comparison of
#   SBOMs of one image by two tools shows each such package as removed and added.
# Seen: deb equal: False, github equal: True, canonical: pkg:deb/Debian/Curl@7.88.1
#
# It installs packageurl-python in a temporary folder, fails when the behaviour has changed, and cleans up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check packageurl-python==0.17.6
"$folder/venv/bin/python" - <<'PYTHON'
from packageurl import PackageURL


def equal(first, second):
    return PackageURL.from_string(first) == PackageURL.from_string(second)


deb = equal("pkg:deb/Debian/Curl@7.88.1", "pkg:deb/debian/curl@7.88.1")
github = equal("pkg:github/Aws/Amazon-SSM-Agent@3.3", "pkg:github/aws/amazon-ssm-agent@3.3")
canonical = PackageURL.from_string("pkg:DEB/Debian/Curl@7.88.1").to_string()
print(f"deb equal: {deb}, github equal: {github}, canonical: {canonical}")
assert (deb, github, canonical) == (False, True, "pkg:deb/Debian/Curl@7.88.1"), "changed"
PYTHON
