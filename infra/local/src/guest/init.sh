# First process of an instance, in its own namespaces, in the state folder. Arguments: id, kind of disk, overlay options.
set -e
read -r pid rest < /proc/self/stat # the host's /proc: the process id as the host counts it
own=instances/$1
tree=$own/tree
echo "ip-${1#i-}" > /proc/sys/kernel/hostname
if [ "$2" = overlay ]; then
    mount -t overlay overlay -o "$3" "$tree"
else
    mount --bind "$tree" "$tree"
fi
mkdir -p "$tree/proc" "$tree/sys" "$tree/dev" "$tree/run" "$tree/tmp"
mount -t proc proc "$tree/proc"
mount -t sysfs -o ro sysfs "$tree/sys"
mount --bind "$own/boot_id" "$tree/proc/sys/kernel/random/boot_id"
mount --bind "$own/run" "$tree/run"
mount -t tmpfs -o mode=1777 tmpfs "$tree/tmp"
mount -t tmpfs -o mode=755 tmpfs "$tree/dev"
mkdir "$tree/dev/pts" "$tree/dev/shm"
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts "$tree/dev/pts"
mount -t tmpfs -o mode=1777 tmpfs "$tree/dev/shm"
for node in null zero full random urandom tty; do
    : > "$tree/dev/$node"
    mount --bind "/dev/$node" "$tree/dev/$node"
done
ln -s pts/ptmx "$tree/dev/ptmx"
ln -s /proc/self/fd "$tree/dev/fd"
ln -s fd/0 "$tree/dev/stdin"
ln -s fd/1 "$tree/dev/stdout"
ln -s fd/2 "$tree/dev/stderr"
# A shell that waits reaps every orphan; the pipe on its input closes when the endpoint ends, however it ends. The process id
# is told only from inside the new root: whoever enters this process by it before would be in the host's root.
exec chroot "$tree" /bin/sh -c 'echo "$1"; exec 3<&0 > /dev/null 2>&1; cat <&3 & wait $!' init "$pid" < /dev/stdin 2> /dev/null
