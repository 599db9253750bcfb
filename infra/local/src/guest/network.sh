# Runs a command line in a network namespace of its own, behind which `pasta` brings this machine's network. Arguments: the TCP and
# the UDP ports of this machine's 127.0.0.1 that are at its own too (`none`, or numbers and commas), and the command line, which
# gets the id of this process, as the host counts it, as its last argument. This is the first process of a process namespace, so
# that all ends with it; what the command line starts is in another one below, from where nothing of this is seen.
set -e
read -r pid rest < /proc/self/stat # the host's /proc
tcp=$1
udp=$2
shift 2
PATH=$PATH:/usr/sbin:/sbin
# Its namespace is named by a process, which has no more rights than pasta keeps: neither would a file do where AppArmor confines
# pasta, nor a process that it may not look at.
holder=$(unshare --net setpriv --bounding-set=-all sh -c \
    'read -r pid rest < /proc/self/stat; echo "$pid"; exec sleep infinity > /dev/null' &)
network=/proc/$holder/ns/net
pasta --quiet --ipv4-only --config-net --no-map-gw --no-netns-quit --tcp-ports none --udp-ports none \
    --tcp-ns "$tcp" --udp-ns "$udp" --netns "$network"
# Pasta of before 2024 takes what a program sends to the loopback by another interface to this machine's own. The other addresses
# are those of metadata with keys, which this machine may have.
for address in 127.0.0.0/8 169.254.169.254 169.254.170.2 169.254.170.23; do
    nsenter --net="$network" ip xfrm policy add dst "$address" dir out action block
done
code=0
nsenter --net="$network" unshare --mount --uts --ipc --pid --fork --kill-child --propagation private "$@" "$pid" || code=$?
[ "$code" != 129 ] || code=133 # SIGHUP: a reboot of what is inside; the first process of a namespace cannot end by one
exit "$code"
