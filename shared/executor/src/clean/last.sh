#!/bin/sh
# Goldsmith's last pass over an instance. It removes the files that the SSM agent needed until it had reported the
# result of the clean-up, and the SSM agent itself if it was installed for this build. It is safe to run any number of
# times.
#
# Arguments: `wait` or `now`; the command for whose end the script waits; how the SSM agent was installed (deb, rpm or
# none).
ssm=/var/lib/amazon/ssm
if [ "$1" = wait ]; then
    looks=0
    # An SSM agent before 3.0.284.0 does not name the command. The script then waits for the whole time.
    while [ "$looks" -lt 120 ] && { [ "$2" = none ] || ls -d "$ssm"/*/channels/"$2" > /dev/null 2>&1; }; do
        sleep 1
        looks=$((looks + 1))
    done
    # The channel disappears before the result is sent. With systemd, this script runs again when the instance shuts
    # down. Without systemd, it runs only once.
    [ ! -d /run/systemd/system ] || sleep 15
fi
case $3 in
    deb) dpkg --purge amazon-ssm-agent ;;
    rpm) rpm -e amazon-ssm-agent ;;
esac
# The agent overwrites the files that it removes.
/run/goldsmith/bin/goldsmith-agent /run/goldsmith/last-pass.json
# These commands remove the files that the agent could not remove, for example because a security policy does not let it
# run.
[ -e /run/goldsmith/skip_cleanup_ssm_log_files ] || rm -rf /var/log/amazon/ssm/*
rm -rf "$ssm"/i-* /var/lib/goldsmith
if [ "$3" != none ]; then
    rm -rf /etc/amazon/ssm "$ssm"
    rmdir /var/log/amazon/ssm /etc/amazon /var/lib/amazon /var/log/amazon 2> /dev/null
fi
# Content that was removed or rewritten earlier is in free blocks. EBS volumes do not support trimming; other volumes
# do.
fstrim -a 2> /dev/null
sync
