#!/bin/sh
# advisories.sh CARGO-DENY: tests deny.toml against a database made here, which git fetches in place of RustSec's. An
# advisory about a crate in Cargo.lock must fail the check, and an advisory about another crate must not. The test needs
# the index of crates.io, because the check also looks up withdrawn versions.
set -eu
deny=$1
cd "$(dirname "$0")/../.."
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
sed "s|^\[advisories\]|&\ndb-path = \"$folder/fetched\"|" deny.toml > "$folder/deny.toml"
export GIT_CONFIG_COUNT=1 GIT_CONFIG_VALUE_0=https://github.com/RustSec/advisory-db
export GIT_CONFIG_KEY_0="url.file://$folder/database.insteadOf"

check() { # CRATE: runs the check with one advisory, about all versions of the crate
  rm -rf "$folder/database" "$folder/fetched"
  mkdir -p "$folder/database/crates/$1"
  cat > "$folder/database/crates/$1/RUSTSEC-2020-9999.md" <<END
\`\`\`toml
[advisory]
id = "RUSTSEC-2020-9999"
package = "$1"
date = "2020-01-01"
[versions]
patched = []
\`\`\`

# An advisory that the test has made

END
  git -C "$folder/database" init --quiet --initial-branch main
  git -C "$folder/database" add .
  git -C "$folder/database" -c user.name=test -c user.email=test@localhost commit --quiet --message test
  "$deny" --config "$folder/deny.toml" check advisories > "$folder/said" 2>&1
}

if check serde; then
  echo "infra/tests/advisories.sh: an advisory about serde, which Cargo.lock has, was not told" >&2
  exit 1
fi
if ! grep -q RUSTSEC-2020-9999 "$folder/said" && ! grep -q 'An advisory that the test has made' "$folder/said"; then
  cat "$folder/said" >&2
  exit 1
fi
if ! check no-crate-of-ours; then
  cat "$folder/said" >&2
  exit 1
fi
