#!/bin/sh
# Has Open vSwitch ask neutron-openvswitch-agent, which starts beside this, for a connection as soon as it listens: by
# itself it asks each second, and the agent spins meanwhile. A controller at a new address is asked at once (OVS 3.1,
# connmgr_set_controllers), so bridges have another address until the agent listens. Only that is changed: where the
# agent has set itself meanwhile, nothing happens, and a connection that is there is left alone.
# Arguments: the address that nobody listens at, the agent's, its port.
nobody=$1 agent=$2
listening=":$(printf '%04X' "$3")"

is_listening() {
    while read -r _ address _ state _; do
        case $state/$address in 0A/*"$listening") return 0 ;; esac
    done </proc/net/tcp
    return 1
}

waiting() {
    ovs-vsctl --no-wait --timeout=10 --bare --columns=_uuid find controller "target=\"$nobody\""
}

# Under load, or from scratch, an agent takes its time. If it takes longer it sets itself, with a second for each bridge.
tries=0
until is_listening; do
    tries=$((tries + 1))
    [ $tries -lt 2400 ] || exit 0
    sleep 0.025
done
for one in $(waiting); do
    set -- "$@" -- --if-exists set controller "$one" "target=\"$agent\""
done
shift 3
[ $# -eq 0 ] || ovs-vsctl --no-wait --timeout=10 "$@"
