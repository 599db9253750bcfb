#!/bin/sh
# cloud-init 22.4.2 (Debian 12) says "Valid cloud-config" of user data whose only module is misspelled.
#
# Guess: `cloud-init schema` finds a misspelled key, as it finds a value of the wrong type: a build checks its user data with it
#   before it launches anything.
# Behaviour: a key at the top that no module knows is allowed by the schema, and the module that was meant never runs. A wrong type
#   below a key that is known is an error.
# Seen: packagez: [nginx]: Valid cloud-config, exit 0; packages: 7: error, exit 1
#
# It unpacks Debian's package in a temporary folder, installs what it imports there, fails when the behaviour has changed, and
# cleans up.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
apt-get -qq download cloud-init=22.4.2-1+deb12u4 2>apt.log || { cat apt.log >&2; exit 1; }
dpkg-deb --extract cloud-init_*.deb tree
python3 -m venv venv
venv/bin/pip install --quiet --disable-pip-version-check pyyaml==6.0.3 jsonschema==4.25.1 configobj==5.0.9 jinja2==3.1.6 \
  oauthlib==3.3.1 jsonpatch==1.33 requests==2.32.5
printf '#cloud-config\npackagez: [nginx]\n' >misspelled.yaml
printf '#cloud-config\npackages: 7\n' >wrong.yaml

check() {
  PYTHONPATH=tree/usr/lib/python3/dist-packages venv/bin/python -m cloudinit.cmd.main schema --config-file "$1"
}

said=$(check misspelled.yaml 2>&1) && misspelled=0 || misspelled=$?
check wrong.yaml >wrong.log 2>&1 && wrong=0 || wrong=$?
echo "packagez: [nginx]: ${said%%:*}, exit $misspelled; packages: 7: error, exit $wrong"
[ "${said%%:*} $misspelled $wrong" = "Valid cloud-config 0 1" ]
grep -q "packages: 7 is not of type 'array'" wrong.log
