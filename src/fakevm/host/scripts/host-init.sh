#!/bin/sh
# PID 1 of an emulated host, before it becomes s6-svscan: its own /run, /proc, /sys and name, so that stock agents,
# ovs-vsctl and "ip netns" meet what they would meet on a machine of their own. Arguments: the host's name, its folder.
set -e
name=$1 here=$2

# Outside a lab, /etc is the machine's: the host gets its own, as iproute2 keeps the guests' files in /etc/netns.
if ! mountpoint -q /etc; then
    mkdir -p "$here/private"
    mount -t tmpfs -o mode=755 fakevm-private "$here/private"
    cp -a /etc "$here/private/etc"
    if [ -e "$here/hosts.txt" ]; then cat "$here/hosts.txt" >>"$here/private/etc/hosts"; fi
    mount --rbind "$here/private/etc" /etc
fi

if [ -d /run/fakevm ]; then mount --rbind /run/fakevm /mnt; fi
mount -t tmpfs -o mode=755 "run-$name" /run
mkdir -p /run/netns /run/openvswitch /run/lock /run/neutron
# In a lab: its own network namespace, by this name, is where links between guests meet (link/panel.py). This /proc is
# the lab's still.
if [ -d /mnt/hosts ]; then
    : >/run/netns/lab
    mount --bind /proc/1/ns/net /run/netns/lab
fi
if mountpoint -q /mnt; then
    mkdir -p /run/fakevm
    mount --rbind /mnt /run/fakevm
    umount -l /mnt
fi
mount -t proc proc /proc
# What a switch in user space has as its ports is this kernel's, too: it would answer for the address of br-underlay with
# the MAC address of the port below it. Who heard that last (tnl_neigh_snoop in Open vSwitch, lib/tnl-neigh-cache.c)
# would send what goes through tunnels where nobody takes it, for minutes.
echo 1 >/proc/sys/net/ipv4/conf/all/arp_ignore
# Control groups are no part of a new /sys.
mkdir /run/cgroup
if mount --rbind /sys/fs/cgroup /run/cgroup 2>/dev/null; then groups=yes; fi
# The lab's, below ours, would keep "ip -n lab" from mounting the same once more (EBUSY).
if [ -e /run/netns/lab ]; then umount -l /sys; fi
mount -t sysfs sysfs /sys
if [ "${groups-}" ]; then mount --move /run/cgroup /sys/fs/cgroup; fi
# DHCP clients of guests and keepalived keep state there.
for place in /var/lib/dhcp /var/lib/neutron; do
    if [ -d "$place" ]; then mount -t tmpfs -o mode=755 "lib-$name" "$place"; fi
done
hostname "$name"
while read -r link; do ethtool -K "$link" tx off >/dev/null 2>&1 || true; done <"$here/devices.txt"
# The process groups of programs that ended with the host before: their numbers are others' now.
rm -f "$here"/service/*/group
exec s6-svscan "$here/service"
