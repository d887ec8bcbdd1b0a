#!/bin/sh
# The main job of FakeVM, from nothing to nothing: a lab of two compute hosts and a network host, fake VMs on a VXLAN and
# on a VLAN network that ping one another, and the move of one of them. Ends with status 0 only when all of it was seen.
# Runs as root and as an ordinary user. The lab has a name of its own and is taken down whatever happens.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
if [ -x "$here/.venv/bin/fakevm" ]; then PATH=$here/.venv/bin:$PATH; fi
# FakeVM's own interpreter: the system need not have one by this name.
python=$(dirname "$(command -v fakevm)")/python
lab=demo-$$
work=$(mktemp -d)
exec 3>&1

# What the shell had of other labs and clouds must not matter.
for name in $(env | sed -n 's/^\(OS_[A-Z_]*\|FAKEVM_LAB\|FAKEVM_TRANSPORT_URL\)=.*/\1/p'); do unset "$name"; done

say() { printf '\n== %s\n' "$*"; }

# Shows a command as one would type it.
show() {
    line='$'
    for word in "$@"; do
        case $word in
            *[!A-Za-z0-9_./:=-]*) line="$line '$word'" ;;
            *) line="$line $word" ;;
        esac
    done
    printf '%s\n' "$line" >&3
}

# Shows a command, then runs it.
run() {
    show "$@"
    "$@"
}

fail() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

now() { date +%s.%N; }

# Runs a step of this demo and writes down how long it took. Arguments: what it is, the command.
timed() {
    what=$1
    shift
    begin=$(now)
    "$@"
    awk -v a="$begin" -v b="$(now)" -v what="$what" 'BEGIN { printf "%s\t%.1f\n", what, b - a }' >>"$work/steps"
}

# Reads a field of a JSON object in a file. Arguments: the file, the field.
field() { "$python" -c 'import json, sys; value = json.load(open(sys.argv[1]))[sys.argv[2]]
print(*value) if isinstance(value, list) else print(value)' "$@"; }

there_is_the_lab() { fakevm lab list -f value -c name | grep -qx "$lab"; }

clean_up() {
    status=$?
    trap - EXIT
    if there_is_the_lab; then
        printf '\ndemo: failed; the last words of the lab:\n' >&2
        fakevm --lab "$lab" lab logs -n 3 >&2 || true
        fakevm lab down "$lab" || status=1
    fi
    rm -rf "$work"
    exit "$status"
}
trap clean_up EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# Waits, half a minute and what sixty looks take at most, until a host's L2 agent has cleaned up: it does so in the round
# after its first port, and shuts out new members of security groups that come meanwhile (docs/findings/0007).
# Argument: host.
cleaned_up() {
    tries=60
    until fakevm lab logs "$1/neutron-openvswitch-agent" -n 5000 | grep -q 'cleanup stale flows'; do
        tries=$((tries - 1))
        [ "$tries" -gt 0 ] || fail "the L2 agent of $1 did not clean up"
        sleep 0.5
    done
}

# Creates a fake VM with an address from a real DHCP client, and checks what it got.
# Arguments: network, instance, host.
create() {
    run fakevm create-port "$1" "$2" --host "$3" --addressing dhcp -f json >"$work/$2"
    vif=$(field "$work/$2" vif_id)
    address=$(field "$work/$2" addresses)
    echo "$vif on $(field "$work/$2" host): $(field "$work/$2" status), $address"
    [ "$(field "$work/$2" host)" = "$3" ] || fail "$2 is not on $3"
    # shellcheck disable=SC2016 # for the guest's shell
    run fakevm exec "$vif" -- sh -c 'grep fixed-address "$PATH_DHCLIENT_DB"' >"$work/lease"
    cat "$work/lease"
    grep -q "fixed-address ${address%/*};" "$work/lease" || fail "$2 has no lease for $address"
    cleaned_up "$3"
}

# Pings until three answers have come, ten seconds at most. Arguments: instance, address.
ping_from() {
    run fakevm exec "$(field "$work/$1" vif_id)" -- ping -q -c 3 -i 0.2 -w 10 "$2" >"$work/ping" || {
        cat "$work/ping"
        fail "$1 cannot ping $2"
    }
    grep received "$work/ping"
}

address_of() {
    address=$(field "$work/$1" addresses)
    echo "${address%/*}"
}

# Prints the address of a network's DHCP port.
dhcp_port() {
    openstack port list --network "$1" --device-owner network:dhcp -f json >"$work/dhcp"
    "$python" -c 'import json, sys; print(json.load(open(sys.argv[1]))[0]["Fixed IP Addresses"][0]["ip_address"])' "$work/dhcp"
}

# Pings both ways between two fake VMs, and from each to the DHCP port. Arguments: network, two instances.
ping_all() {
    dhcp=$(dhcp_port "$1")
    ping_from "$2" "$(address_of "$3")"
    ping_from "$3" "$(address_of "$2")"
    ping_from "$2" "$dhcp"
    ping_from "$3" "$dhcp"
}

lab_up() { run fakevm lab up --name "$lab"; }

lab_down() {
    run fakevm lab down "$lab"
    ! there_is_the_lab || fail "lab $lab is still there"
}

make_network() {
    network=$1 range=$2
    shift 2
    run openstack network create "$network" "$@" -c name -c provider:network_type -c provider:segmentation_id -c mtu
    run openstack subnet create "$network-subnet" --network "$network" --subnet-range "$range" -c cidr -c enable_dhcp
}

move() {
    vif=$(field "$work/$1" vif_id)
    run fakevm migrate "$3" "$vif" --host "$2" -f json >"$work/moved"
    mv "$work/moved" "$work/$1-moved"
    run fakevm list -c instance -c network -c addresses -c status -c plugged_on
    seen=$(fakevm show "$vif" -f value -c plugged_on)
    [ "$seen" = "$3" ] || fail "$1 is plugged on '$seen', not on $3"
}

# Prints the times of the steps, and of each fake VM as FakeVM reports them.
table() {
    printf '\n%-44s %8s\n' 'step of this demo' 'seconds'
    awk -F '\t' '{ printf "%-44s %8s\n", $1, $2 }' "$work/steps"
    "$python" - "$work"/vm* <<'END'
import json, pathlib, sys
steps = ("create", "bind", "unplug", "plug", "active", "address", "total")
print(f"\n{'fake VM (seconds)':<24}" + "".join(f"{step:>9}" for step in steps))
for path in map(pathlib.Path, sys.argv[1:]):
    seconds = json.loads(path.read_text())["seconds"]
    print(f"{path.name:<24}" + "".join(f"{seconds[s]:>9.2f}" if s in seconds else f"{'':>9}" for s in steps))
END
}

say 'A lab: a whole Neutron, two compute hosts and a network host'
timed 'lab up' lab_up
eval "$(fakevm lab env "$lab")"
run openstack network agent list -c 'Agent Type' -c Host -c Alive

say 'A VXLAN network, made with the stock OpenStack client; a fake VM on each compute host'
timed 'VXLAN: network and subnet' make_network private 10.0.0.0/24
timed 'VXLAN: first fake VM' create private vm1 compute1
timed 'VXLAN: second fake VM' create private vm2 compute2
timed 'VXLAN: four pings' ping_all private vm1 vm2

say 'A VLAN network, likewise'
timed 'VLAN: network and subnet' make_network provider 10.1.0.0/24 \
    --provider-network-type vlan --provider-physical-network physnet1
timed 'VLAN: first fake VM' create provider vm3 compute1
timed 'VLAN: second fake VM' create provider vm4 compute2
timed 'VLAN: four pings' ping_all provider vm3 vm4

say 'One of them moves to the other host, and pings again'
timed 'migrate' move vm1 compute1 compute2
timed 'pings after the move' ping_all private vm1 vm2

say 'The end of the lab'
timed 'lab down' lab_down
table
say 'All of it was seen to work.'
