#!/bin/sh
# Becomes a daemon of FRR's, root as it is: a user namespace with a single id has no other user.
# Arguments: the router's name, the daemon's, and the command that it is started with. VTYSH is the command of vtysh, where
# that is to tell it its configuration.
name=$1 daemon=$2
shift 2
[ -d "/run/frr/$name" ] && [ -d /var/tmp/frr ] || mkdir -p "/run/frr/$name" /var/tmp/frr 2>/dev/null

# It insists on its user being in this group, whoever that is.
if ! grep -q '^frrvty:.*\broot\b' /etc/group; then
    new=$(mktemp /etc/group.XXXXXX)
    line=$(grep '^frrvty:' /etc/group || echo frrvty:x:59997:)
    { grep -v '^frrvty:' /etc/group; echo "${line%:*}:root"; } >"$new"
    chmod 644 "$new" && mv "$new" /etc/group
fi

# What the others told the zebra before this one they do not tell again: they are started anew, as by watchfrr.
# Who finds no zebra looks again after ten seconds only (lib/zclient.c: zclient_event), so they wait until it listens: at
# a socket that is not older than the files that were written before all of them began (an image's busybox compares
# whole seconds).
socket=/run/frr/$name/zserv.api
if [ "$daemon" = zebra ]; then
    rm -f "$socket"
    for file in "/run/frr/$name"/*.pid; do
        other=${file##*/} other=${other%.pid}
        [ -e "$file" ] && [ "$other" != zebra ] || continue
        read -r pid <"$file"
        if tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q "/$other .*-N $name "; then kill "$pid"; fi
    done 2>/dev/null
elif [ "$daemon" != mgmtd ]; then
    tries=0
    until { [ -S "$socket" ] && ! [ "$socket" -ot "/etc/frr/$name/vtysh.conf" ]; } || [ "$tries" -ge 100 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
fi

if [ "$VTYSH" ]; then
    # From a child of nobody's, when it listens, as it waits for none of its own.
    rm -f "/run/frr/$name/$daemon.vty"
    ( (
        until [ -S "/run/frr/$name/$daemon.vty" ]; do
            [ -e "/proc/$$" ] || exit
            sleep 0.05
        done
        for pause in 0.1 0.5 2 5; do
            $VTYSH -N "$name" -b -d "$daemon" && exit
            sleep "$pause"
        done
    ) & )
fi
exec "$@" -N "$name" -u root -g root -P 0 --log stdout
