#!/bin/sh
# Plants each mistake of planted/ in a copy of the sources and demands that a seed breaks a rule by it: `planted.sh TARGET [NAME]…`.
# TARGET is a target folder of its own: nothing of the copy gets into the workspace's.
set -eu
root=$(cd "$(dirname "$0")/../.." && pwd)
target=$1
shift
seeds=${SEEDS:-5000}
copy=$(mktemp -d)
trap 'rm -rf "$copy"' EXIT
mkdir "$copy/sources"
(cd "$root" && tar cf - --exclude=./target --exclude=./dist --exclude=./.git --exclude=./.venv .) | (cd "$copy/sources" && tar xmf -)
cd "$copy/sources"
lost=0
for patch in "$root"/tests/simulation/planted/*.patch; do
    name=$(basename "$patch" .patch)
    case " $* " in "  " | *" $name "*) ;; *) continue ;; esac
    patch --quiet --fuzz=0 --strip=1 < "$patch"
    CARGO_TARGET_DIR=$target cargo build --quiet --locked --profile simulation -p goldsmith-simulation
    # It fails as well where nothing but its own demands on the seeds is not met: only a seed that breaks a rule counts.
    "$target/simulation/goldsmith-simulation" --seeds "$seeds" --failures 1 > "$copy/said" || true
    if found=$(grep -m 1 '^seed [0-9]*: ' "$copy/said"); then
        echo "found: $name: $(echo "$found" | cut -c1-200)"
    else
        echo "NOT FOUND in $seeds seeds: $name"
        lost=1
    fi
    # Only what was changed is compiled anew for the next one.
    patch --quiet --fuzz=0 --strip=1 --reverse < "$patch"
done
exit $lost
