#!/bin/sh
# deny.sh VERSION FOLDER: prints the path of cargo-deny in this version. An installed cargo-deny is used if it has this
# version. Otherwise this version is compiled into the folder, once, and the installed one stays as it is. If compiling
# fails, the script prints the reason and fails.
set -eu
version=$1 folder=$2
ours=$folder/bin/cargo-deny

for program in "$(command -v cargo-deny || true)" "${CARGO_HOME:-$HOME/.cargo}/bin/cargo-deny" "$ours"; do
  if [ -x "$program" ] && [ "$("$program" --version 2>/dev/null)" = "cargo-deny $version" ]; then
    echo "$program"
    exit 0
  fi
done

echo "Compiling cargo-deny $version; this takes some minutes, once." >&2
mkdir -p "$folder"
said=$(mktemp)
trap 'rm -f "$said"' EXIT
# CI's clippy must not check cargo-deny's code. Unoptimized, cargo-deny compiles in half the time, and it runs only for
# a few seconds.
if ! env -u RUSTC_WORKSPACE_WRAPPER -u CLIPPY_ARGS \
  cargo install --debug --quiet --locked --force --root "$folder" "cargo-deny@$version" 2> "$said"; then
  echo "cargo-deny $version cannot be installed: $(sed '/^ *$/d' "$said" | tail -n 1 | sed 's/^ *//')"
  exit 1
fi
echo "$ours"
