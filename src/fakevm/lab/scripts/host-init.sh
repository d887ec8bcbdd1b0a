#!/bin/sh
# PID 1 of an emulated host, before it becomes s6-svscan: its own /run, /proc, /sys and name, so that stock agents,
# ovs-vsctl and "ip netns" meet what they would meet on a machine of their own. Argument: the host's name.
set -e
name=$1

mount --rbind /run/fakevm /mnt
mount -t tmpfs -o mode=755 "run-$name" /run
mkdir -p /run/fakevm /run/netns /run/openvswitch /run/lock /run/neutron
mount --rbind /mnt /run/fakevm
umount -l /mnt
mount -t proc proc /proc
mount -t sysfs sysfs /sys
# DHCP clients of guests and keepalived keep state there.
for place in /var/lib/dhcp /var/lib/neutron; do
    if [ -d "$place" ]; then mount -t tmpfs -o mode=755 "lib-$name" "$place"; fi
done
hostname "$name"
for link in underlay mgmt; do ethtool -K "$link" tx off >/dev/null 2>&1 || true; done
exec s6-svscan "/run/fakevm/hosts/$name/service"
