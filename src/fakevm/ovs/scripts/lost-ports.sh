#!/bin/sh
# Runs before ovs-vswitchd. Of one that was killed, forwarding in user space, its internal ports are left: taps that
# nothing is behind any more. It takes them over where it is, but not those that were moved to a network namespace, as
# Neutron's DHCP and L3 agents do: it would make second ones beside itself, and nobody would use them.
# They are removed here, and the agents begin anew: then they plug, address and serve each of them again.
found=""
for port in $(ovs-vsctl --no-wait --timeout=10 --bare --columns=name find Interface type=internal); do
    for place in /run/netns/*; do
        namespace=${place##*/}
        if ip -n "$namespace" link show dev "$port" type tun 2>/dev/null | grep -q .; then
            ip -n "$namespace" link del dev "$port" && found="$found $port"
        fi
    done
done
[ "$found" ] || exit 0
echo "ports that were lost with the switch before are made anew:$found"
for agent in neutron-dhcp-agent neutron-l3-agent; do
    # As a crash does: they find what they made, and mend it.
    if [ -e "../$agent/supervise" ]; then s6-svc -k "../$agent"; fi
done
