#!/bin/sh
# What dhclient does to a guest (the protocol is in dhclient-script(8)). Not the distribution's script: that one may rename the
# host, restarts the host's services, and on some systems replaces /etc/resolv.conf, which is a mount point here.

lifetime() {
    case "$1" in
        '') ;;
        4294967295) echo "valid_lft forever preferred_lft forever" ;;
        *) echo "valid_lft $1 preferred_lft ${2:-$1}" ;;
    esac
}

# RFC 3442: prefix length, the significant bytes of the destination, the router; and so on
classless_routes() {
    while [ $# -ge 5 ]; do
        length=$1
        shift
        network= bytes=0
        while [ $bytes -lt 4 ]; do
            if [ $((bytes * 8)) -lt "$length" ]; then
                byte=$1
                shift
            else
                byte=0
            fi
            network=$network${network:+.}$byte
            bytes=$((bytes + 1))
        done
        [ $# -ge 4 ] || return
        router=$1.$2.$3.$4
        shift 4
        if [ "$router" = 0.0.0.0 ]; then
            echo "route replace $network/$length dev $interface metric ${metric:-0}"
        else
            echo "route replace $network/$length via $router dev $interface onlink metric ${metric:-0}"
        fi
    done
}

# A client that understands classless routes must ignore the router option when it has them (RFC 3442).
routes() {
    if [ -n "$new_rfc3442_classless_static_routes" ]; then
        # shellcheck disable=SC2086 # a list of numbers
        classless_routes $new_rfc3442_classless_static_routes
    elif [ -n "$new_routers" ]; then
        echo "route replace default via ${new_routers%% *} dev $interface onlink metric ${metric:-0}"
    fi
}

resolv_conf() {
    [ -n "$1" ] || return 0
    {
        [ -z "$2" ] || echo "search $2"
        for server in $1; do
            echo "nameserver $server"
        done
    } > /etc/resolv.conf
}

bound() {
    {
        if [ -n "$old_ip_address" ] && [ "$old_ip_address" != "$new_ip_address" ]; then
            echo "address flush dev $interface label $interface"
        fi
        if [ -n "$new_interface_mtu" ] && [ "$new_interface_mtu" -ge 576 ]; then
            echo "link set dev $interface mtu $new_interface_mtu"
        fi
        echo "address replace $new_ip_address/${new_subnet_mask:-32}" \
            "${new_broadcast_address:+broadcast $new_broadcast_address}" \
            "dev $interface label $interface $(lifetime "$new_dhcp_lease_time")"
        routes
    } | ip -4 -force -batch -
    resolv_conf "$new_domain_name_servers" "${new_domain_search:-$new_domain_name}"
}

case "$reason" in
    PREINIT|PREINIT6)
        ip link set dev "$interface" up
        ;;
    BOUND|RENEW|REBIND|REBOOT|TIMEOUT)
        bound
        ;;
    EXPIRE|FAIL|RELEASE|STOP)
        [ -z "$old_ip_address" ] || ip -4 address flush dev "$interface" label "$interface"
        ;;
    BOUND6|RENEW6|REBIND6)
        # shellcheck disable=SC2046 # lifetime is several words
        [ -z "$new_ip6_address" ] || ip -6 address replace "$new_ip6_address/${new_ip6_prefixlen:-128}" \
            dev "$interface" nodad $(lifetime "$new_max_life" "$new_preferred_life")
        resolv_conf "$new_dhcp6_name_servers" "$new_dhcp6_domain_search"
        ;;
    EXPIRE6|RELEASE6|STOP6)
        [ -z "$old_ip6_address" ] || ip -6 address del "$old_ip6_address/${old_ip6_prefixlen:-128}" dev "$interface"
        ;;
esac
