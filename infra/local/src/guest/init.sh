# First process of an instance, in its own namespaces, in the state folder. Arguments: id, kind of disk, overlay options, name, and,
# where the network is its own, the id of the process that has made this.
set -e
read -r pid rest < /proc/self/stat # the host's /proc: the process id as the host counts it
own=instances/$1
tree=$own/tree
# Only `hostname` may do it in a user namespace; a host without it has the file.
hostname "$4" 2> /dev/null || echo "$4" > /proc/sys/kernel/hostname
confined=
if [ "$5" ]; then
    # Who may set the network, or send what packets they like, would reach this machine's loopback through older versions of pasta.
    confined='setpriv --bounding-set=-net_admin,-net_raw --'
    for most in 65534 0; do # groups that may use ping, which needs no such right then
        ! echo "0 $most" 2> /dev/null > /proc/sys/net/ipv4/ping_group_range || break
    done
fi
if [ -e "$own/booted" ]; then
    # A volatile overlay leaves a mark in its work folder that forbids mounting it again.
    rm -rf "$own/work"
    mkdir "$own/work"
fi
: > "$own/booted"
if [ "$2" = host ]; then
    # A file system of its own: a layer may not lie in another, and all else lies in the host's root directory.
    mkdir -p "$own/runtime"
    mount -n -t tmpfs -o mode=755 tmpfs "$own/runtime"
    cp -a "$own/given/." "$own/runtime"
fi
if [ "$2" = copy ]; then
    mount -n --bind "$tree" "$tree"
else
    mount -n -t overlay overlay -o "$3" "$tree"
fi
for folder in proc sys dev run; do # a link in its place would lead to the host's
    if [ -L "$tree/$folder" ] || [ ! -d "$tree/$folder" ]; then
        rm -f "$tree/$folder"
        mkdir "$tree/$folder"
    fi
done
mount -n -t proc proc "$tree/proc"
for path in acpi asound bus fs irq scsi sys sysrq-trigger; do # settings of the machine, which has one kernel
    if [ -e "$tree/proc/$path" ]; then
        mount -n --bind "$tree/proc/$path" "$tree/proc/$path"
        mount -n -o remount,bind,ro "$tree/proc/$path"
    fi
done
# A user namespace that shares the host's network may only show the host's /sys.
mount -n -t sysfs -o ro sysfs "$tree/sys" 2> /dev/null || {
    mount -n --rbind /sys "$tree/sys"
    mount -n -o remount,bind,ro "$tree/sys" || : # root in a container could write to it otherwise
}
mount -n --bind "$own/boot_id" "$tree/proc/sys/kernel/random/boot_id"
mount -n --bind "$own/run" "$tree/run"
[ -e "$tree/tmp" ] || [ -L "$tree/tmp" ] || mkdir "$tree/tmp"
if [ -d "$tree/tmp" ] && [ ! -L "$tree/tmp" ]; then # elsewhere temporary files are the image's own affair, as with systemd
    mount -n -t tmpfs -o mode=1777 tmpfs "$tree/tmp"
fi
mount -n -t tmpfs -o mode=755 tmpfs "$tree/dev"
mkdir "$tree/dev/pts" "$tree/dev/shm"
mount -n -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$tree/dev/pts"
mount -n -t tmpfs -o mode=1777 tmpfs "$tree/dev/shm"
for node in null zero full random urandom tty; do
    : > "$tree/dev/$node"
    mount -n --bind "/dev/$node" "$tree/dev/$node"
done
ln -s pts/ptmx "$tree/dev/ptmx"
ln -s /proc/self/fd "$tree/dev/fd"
ln -s fd/0 "$tree/dev/stdin"
ln -s fd/1 "$tree/dev/stdout"
ln -s fd/2 "$tree/dev/stderr"
cd "$tree"
# The host's tree stays below, where no way leads: a plain change of the root directory could be undone from inside.
mount -n --move . /
# The process id is told only from inside the new root: whoever enters before would be in the host's. A shell that waits
# reaps every orphan; the pipe on its input closes when the endpoint ends, however it ends.
# shellcheck disable=SC2086 # words: a command
exec $confined chroot . /bin/sh -c 'echo "$1"; exec 3<&0 > /dev/null 2>&1; cat <&3 & wait $!' init "$pid $5" 2> /dev/null
