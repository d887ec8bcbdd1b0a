#!/bin/sh
# Becomes BIRD. Arguments: the router's name; its address, and the devices that borrow it, both empty where its
# configuration is the user's; the command that it is started with.
name=$1 address=$2 borrowing=$3
shift 3
mkdir -p /run/bird
if [ -n "$address" ]; then ip address replace "$address/32" dev lo; fi
for device in $borrowing; do ip address replace "$address/32" dev "$device"; done
exec "$@" -f -c "/etc/bird/$name.conf" -s "/run/bird/$name.ctl" -P "/run/bird/$name.pid"
