#!/bin/sh
# Starts an emulated host: its network namespace and its links to the lab's bridges, then its other namespaces.
# They are pinned to files, by which the host is entered. Runs in the lab, supervised; argument: the host's name.
set -e
name=$1
here=/run/fakevm/hosts/$name

# A host that died leaves its links and pins: the new one starts from nothing.
while read -r link; do ip link del "$link" 2>/dev/null || true; done <"$here/links.txt"
ip netns del "$name" 2>/dev/null || true
for kind in mnt uts pid; do umount -l "/run/hosts/$name/$kind" 2>/dev/null || true; done

mkdir -p "/run/hosts/$name"
for kind in mnt uts pid; do : >"/run/hosts/$name/$kind"; done
ip netns add "$name"
ip -batch "$here/links.batch"
ip -netns "$name" -batch "$here/addresses.batch"
while read -r link; do ethtool -K "$link" tx off >/dev/null 2>&1 || true; done <"$here/links.txt"

exec nsenter --net="/run/netns/$name" \
    unshare --mount="/run/hosts/$name/mnt" --uts="/run/hosts/$name/uts" --pid="/run/hosts/$name/pid" \
    --fork --kill-child sh "$(dirname "$0")/host-init.sh" "$name"
