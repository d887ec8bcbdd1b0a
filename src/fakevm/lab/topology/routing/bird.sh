#!/bin/sh
# Becomes BIRD. Arguments: the router's name; its address, and the devices that borrow it, both empty where its
# configuration is the user's; the command that it is started with.
name=$1 address=$2 borrowing=$3
shift 3
mkdir -p /run/bird
steps() { for device in lo $borrowing; do echo "address replace $address/32 dev $device"; done; }
# All at once; the ip of an image's busybox knows no -batch.
if [ -n "$address" ]; then
    steps | ip -batch - 2>/dev/null || steps | while read -r step; do ip $step; done
fi
exec "$@" -f -c "/etc/bird/$name.conf" -s "/run/bird/$name.ctl" -P "/run/bird/$name.pid"
