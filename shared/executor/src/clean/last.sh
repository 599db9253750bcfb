#!/bin/sh
# Goldsmith's last pass over an instance: removes what the SSM agent needed until it had told the result of the clean-up,
# and the SSM agent itself where it was installed for this build. It may run any number of times.
#
# Arguments: `wait` or `now`; the command whose end is waited for; how the SSM agent was installed (deb, rpm or none).
ssm=/var/lib/amazon/ssm
if [ "$1" = wait ]; then
    looks=0
    # An SSM agent before 3.0.284.0 does not name the command: then all of the time is waited.
    while [ "$looks" -lt 120 ] && { [ "$2" = none ] || ls -d "$ssm"/*/channels/"$2" > /dev/null 2>&1; }; do
        sleep 1
        looks=$((looks + 1))
    done
    # The channel goes before the answer is sent. Where systemd is, this runs again when the instance goes down; elsewhere
    # there is no such second time.
    [ ! -d /run/systemd/system ] || sleep 15
fi
case $3 in
    deb) dpkg --purge amazon-ssm-agent ;;
    rpm) rpm -e amazon-ssm-agent ;;
esac
# This overwrites what it removes.
/run/goldsmith/bin/goldsmith-agent /run/goldsmith/last-pass.json
# And this is for what it could not, as where a security policy does not let it run.
[ -e /run/goldsmith/skip_cleanup_ssm_log_files ] || rm -rf /var/log/amazon/ssm/*
rm -rf "$ssm"/i-* /var/lib/goldsmith
if [ "$3" != none ]; then
    rm -rf /etc/amazon/ssm "$ssm"
    rmdir /var/log/amazon/ssm /etc/amazon /var/lib/amazon /var/log/amazon 2> /dev/null
fi
# What was removed or rewritten earlier is in free blocks. Volumes of EBS do not know of trimming; others do.
fstrim -a 2> /dev/null
sync
