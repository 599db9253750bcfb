#!/bin/sh
# deny.sh VERSION FOLDER: prints where cargo-deny of this version is. One that is installed is taken if it is of the version;
# otherwise it is compiled into the folder, once, and what is installed stays as it is. Where that cannot be, it prints why, and
# fails.
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
# CI's clippy is not for its code. Unoptimized, it compiles in half the time, and its few seconds of work do not matter.
if ! env -u RUSTC_WORKSPACE_WRAPPER -u CLIPPY_ARGS \
  cargo install --debug --quiet --locked --force --root "$folder" "cargo-deny@$version" 2> "$said"; then
  echo "cargo-deny $version cannot be installed: $(sed '/^ *$/d' "$said" | tail -n 1 | sed 's/^ *//')"
  exit 1
fi
echo "$ours"
