#!/bin/sh
# Plants each mistake of planted/ in a copy of the sources and demands that a seed finds it: `planted.sh TARGET [NAME]…`.
# TARGET is a target folder of its own: nothing of the copy gets into the workspace's.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
target=$1
shift
seeds=${SEEDS:-5000}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
lost=0
for patch in "$root"/tests/simulation/planted/*.patch; do
    name=$(basename "$patch" .patch)
    case " $* " in "  " | *" $name "*) ;; *) continue ;; esac
    rm -rf "$copy/sources"
    mkdir "$copy/sources"
    (cd "$root" && tar cf - --exclude=./target --exclude=./dist --exclude=./.git --exclude=./.venv .) | (cd "$copy/sources" && tar xmf -)
    patch --quiet --strip=1 --directory="$copy/sources" < "$patch"
    cd "$copy/sources"
    CARGO_TARGET_DIR=$target cargo build --quiet --locked --profile simulation -p goldsmith-simulation
    if "$target/simulation/goldsmith-simulation" --seeds "$seeds" --failures 1 > "$copy/said"; then
        echo "NOT FOUND in $seeds seeds: $name"
        lost=1
    else
        echo "found: $name: $(grep '^seed ' "$copy/said" | head -1 | cut -c1-200)"
    fi
    cd "$root"
done
exit $lost
