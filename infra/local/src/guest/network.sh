# Runs a command line in its own network namespace, which `pasta` connects to this machine's network. Arguments: the TCP
# ports and the UDP ports of this machine's 127.0.0.1 that are also at the namespace's 127.0.0.1 (each `none`, or
# numbers separated by commas), and the command line. The command line gets the id of this process, as the host counts
# it, as its last argument. This is the first process of a process namespace, so that everything ends with it. The
# command line runs in a process namespace below, from which this one is not visible.
set -e
read -r pid rest < /proc/self/stat # the host's /proc
tcp=$1
udp=$2
shift 2
PATH=$PATH:/usr/sbin:/sbin
# A process names the network namespace to pasta. The process has no more rights than pasta keeps, because pasta must be
# allowed to look at it. If AppArmor confines pasta, a file could not name the namespace.
holder=$(unshare --net setpriv --bounding-set=-all sh -c \
    'read -r pid rest < /proc/self/stat; echo "$pid"; exec sleep infinity > /dev/null' &)
network=/proc/$holder/ns/net
pasta --quiet --ipv4-only --config-net --no-map-gw --no-netns-quit --tcp-ports none --udp-ports none \
    --tcp-ns "$tcp" --udp-ns "$udp" --netns "$network"
# Versions of pasta from before 2024 forward what a program sends to a loopback address by another interface to this
# machine's own loopback interface. The other addresses are those of metadata services with credentials, which this
# machine may have.
for address in 127.0.0.0/8 169.254.169.254 169.254.170.2 169.254.170.23; do
    nsenter --net="$network" ip xfrm policy add dst "$address" dir out action block
done
code=0
nsenter --net="$network" unshare --mount --uts --ipc --pid --fork --kill-child --propagation private "$@" "$pid" || code=$?
[ "$code" != 129 ] || code=133 # SIGHUP: the instance reboots; the first process of a namespace cannot end by this signal
exit "$code"
