#!/bin/sh
# PID 1 of a lab, before it becomes s6-svscan: makes the lab's own view of the file system and its bridges.
# The machine's file system is read-only here, but for the lab's folder and the places where users keep their files.
# Arguments: the lab's folder, the lab's name.
set -e
lab=$1 name=$2

# The lock of the lab's folder is its handle's alone.
exec 8<&-
# Who we are for the machine, whose /proc this still is. The handle may have died before it could take us along.
read -r stat </proc/self/stat
echo "$stat" >"$lab/init"
[ -e "/proc/$(cat "$lab/pid")" ]

mount --bind "$lab" "$lab"
for place in /tmp /var/tmp /dev/shm "$HOME"; do
    if [ -d "$place" ] && [ "$place" != / ]; then mount --rbind "$place" "$place"; fi
done

# A private /etc: iproute2 keeps per-namespace files in /etc/netns, guests have their own resolv.conf.
mount -t tmpfs -o mode=755 fakevm-private "$lab/private"
# An ordinary user cannot read all of it, and most of its owners have no id here: they would all be nobody.
owners=--no-preserve=ownership
read -r first outside _ </proc/self/uid_map
if [ "$first$outside" = 00 ]; then owners=; fi
cp -a $owners /etc "$lab/private/etc" 2>/dev/null || true
mkdir -p "$lab/private/etc/netns"
cat "$lab/hosts.txt" >>"$lab/private/etc/hosts"

mount -t tmpfs -o mode=755 fakevm-run /run
mkdir -p /run/fakevm /run/netns /run/lock
mount --rbind "$lab" /run/fakevm
mount --rbind "$lab/private/etc" /etc

mount -o remount,bind,ro /
mount -t proc proc /proc
# Control groups are no part of a new /sys: guests may have limits.
mkdir /run/cgroup
if mount --rbind /sys/fs/cgroup /run/cgroup 2>/dev/null; then groups=yes; fi
mount -t sysfs sysfs /sys
if [ "${groups-}" ]; then mount --move /run/cgroup /sys/fs/cgroup; fi
hostname "$name"

# Programs that are killed leave their temporary files: not in the machine's /tmp.
mkdir -p /run/fakevm/tmp
export TMPDIR=/run/fakevm/tmp

ip link set lo up
ip -batch "$lab/bridges.batch"
# As many hosts as a lab may have (model/labfile/host.py), and its services.
exec s6-svscan -c 1100 /run/fakevm/service
