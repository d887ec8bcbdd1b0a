#!/bin/sh
# Removes what a host that has ended leaves around it: its links, its network namespace, its handle's pid.
# Arguments: the host's name, its folder.
name=$1 here=$2

rm -f "$here/pid"
while read -r link; do ip link del "$link" 2>/dev/null || true; done <"$here/links.txt"
ip netns del "$name" 2>/dev/null || true
