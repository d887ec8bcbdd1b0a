#!/bin/sh
# What udhcpc has done when it has, or loses, a lease (udhcpc's README, "Udhcp client scripts").
# shellcheck disable=SC2154  # they are udhcpc's
case $1 in
deconfig)
    ip -4 address flush dev "$interface"
    ;;
bound | renew)
    if ! ip -4 -o address show dev "$interface" | grep -q " $ip/$mask "; then
        ip -4 address flush dev "$interface"
        ip address add "$ip/$mask" broadcast + dev "$interface"
    fi
    [ -n "$mtu" ] && ip link set dev "$interface" mtu "$mtu"
    if [ -n "$staticroutes" ]; then
        # shellcheck disable=SC2086  # pairs
        set -- $staticroutes
        while [ $# -ge 2 ]; do
            via="via $2"
            [ "$2" = 0.0.0.0 ] && via=
            # shellcheck disable=SC2086  # two words, or none
            ip route replace "$1" $via dev "$interface" metric "$METRIC"
            shift 2
        done
    else
        for gateway in $router; do ip route replace default via "$gateway" dev "$interface" metric "$METRIC"; done
    fi
    if [ -n "$dns" ]; then
        {
            [ -n "$domain" ] && echo "search $domain"
            for server in $dns; do echo "nameserver $server"; done
        } >/etc/resolv.conf
    fi
    arping -q -c 1 -A -I "$interface" "$ip"
    ;;
esac
