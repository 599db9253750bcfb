# Runs as the first process of an instance, in the instance's own namespaces. The working directory is the state folder.
# Arguments: id, kind of disk, overlay options, name, and, if the instance has its own network, the id of the process
# that runs network.sh.
set -e
read -r pid rest < /proc/self/stat # the host's /proc: the process id as the host counts it
own=instances/$1
tree=$own/tree
# In a user namespace, only `hostname` may set the name. On a host without this program, the file sets it.
hostname "$4" 2> /dev/null || echo "$4" > /proc/sys/kernel/hostname
confined=
if [ "$5" ]; then
    # A process that may configure the network, or send raw packets, could reach this machine's loopback interface
    # through older versions of pasta.
    confined='setpriv --bounding-set=-net_admin,-net_raw --'
    for most in 65534 0; do # groups that may use ping, which then needs no capability
        ! echo "0 $most" 2> /dev/null > /proc/sys/net/ipv4/ping_group_range || break
    done
fi
if [ -e "$own/booted" ]; then
    # A volatile overlay leaves a mark in its work folder, which prevents mounting it again.
    rm -rf "$own/work"
    mkdir "$own/work"
fi
: > "$own/booted"
if [ "$2" = host ]; then
    # This layer gets its own file system: one layer may not be inside another, and everything else is in the host's
    # root directory.
    mkdir -p "$own/runtime"
    mount -n -t tmpfs -o mode=755 tmpfs "$own/runtime"
    cp -a "$own/given/." "$own/runtime"
fi
if [ "$2" = copy ]; then
    mount -n --bind "$tree" "$tree"
else
    mount -n -t overlay overlay -o "$3" "$tree"
fi
for folder in proc sys dev run; do # a link in its place would lead to the host's folder
    if [ -L "$tree/$folder" ] || [ ! -d "$tree/$folder" ]; then
        rm -f "$tree/$folder"
        mkdir "$tree/$folder"
    fi
done
mount -n -t proc proc "$tree/proc"
for path in acpi asound bus fs irq scsi sys sysrq-trigger; do # settings of the whole machine, which has one kernel
    if [ -e "$tree/proc/$path" ]; then
        mount -n --bind "$tree/proc/$path" "$tree/proc/$path"
        mount -n -o remount,bind,ro "$tree/proc/$path"
    fi
done
# A user namespace that shares the host's network cannot mount sysfs; it may only show the host's /sys.
mount -n -t sysfs -o ro sysfs "$tree/sys" 2> /dev/null || {
    mount -n --rbind /sys "$tree/sys"
    mount -n -o remount,bind,ro "$tree/sys" || : # otherwise root in a container could write to it
}
mount -n --bind "$own/boot_id" "$tree/proc/sys/kernel/random/boot_id"
mount -n --bind "$own/run" "$tree/run"
[ -e "$tree/tmp" ] || [ -L "$tree/tmp" ] || mkdir "$tree/tmp"
if [ -d "$tree/tmp" ] && [ ! -L "$tree/tmp" ]; then # otherwise the image decides about temporary files, as with systemd
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
# The host's tree stays below the moved mount, where no path leads. A plain change of the root directory could be undone
# from inside.
mount -n --move . /
# The process id is printed only from inside the new root: a command that enters earlier would be in the host's root.
# The waiting shell reaps every orphan. The pipe on its input closes when the endpoint ends, however it ends.
# shellcheck disable=SC2086 # words: a command
exec $confined chroot . /bin/sh -c 'echo "$1"; exec 3<&0 > /dev/null 2>&1; cat <&3 & wait $!' init "$pid $5" 2> /dev/null
