# Boots an instance's own systemd. The working directory is the state folder. Arguments: id, kind of disk, overlay
# options, and the name, which the instance's systemd reads itself. This script runs in its own mount and process
# namespaces, so that neither mounts nor processes outlive it. Its exit code is that of systemd-nspawn: 133 is a reboot.
set -e
read -r pid rest < /proc/self/stat # the host's /proc: the process id as the host counts it
own=$PWD/instances/$1
tree=$own/tree
if [ -e "$own/booted" ]; then
    # A volatile overlay leaves a mark in its work folder, which prevents mounting it again.
    rm -rf "$own/work"
    mkdir "$own/work"
fi
: > "$own/booted"
if [ "$2" = overlay ]; then
    mount -n -t overlay overlay -o "$3" "$tree"
fi
mount -n -t proc proc /proc
mount -n -t tmpfs tmpfs /run # the files that systemd-nspawn keeps there disappear with this namespace
echo "$pid"
exec 3<&0 > "$own/console.log" 2>&1
systemd-nspawn --quiet --boot --register=no --keep-unit --console=pipe --resolv-conf=off --timezone=off --link-journal=no \
    --machine="ip-${1#i-}" --directory="$tree" < /dev/null 3<&- &
container=$!
# The pipe closes when the endpoint ends, however it ends. Everything here ends with this shell, which is the first
# process.
(cat <&3; kill -9 "$container") > /dev/null 2>&1 &
exec 3<&-
wait "$container"
