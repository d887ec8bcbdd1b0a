#!/bin/sh
# Starts an emulated host: its network namespace and its links to the bridges around it, then its other namespaces.
# The process that unshares is the host's handle: its pid is in the file "pid" of the host's folder.
# Arguments: the host's name, its folder.
set -e
name=$1 here=$2

# A host that died leaves its links: the new one starts from nothing.
sh "$(dirname "$0")/host-gone.sh" "$name" "$here"

ip netns add "$name"
ip -batch "$here/links.batch"
ip -netns "$name" -batch "$here/addresses.batch"
while read -r link; do ethtool -K "$link" tx off >/dev/null 2>&1 || true; done <"$here/links.txt"
if [ -e "$here/around.sh" ]; then . "$here/around.sh"; fi

# Programs that are killed leave their temporary files: not in the machine's /tmp.
mkdir -p "$here/tmp"
export TMPDIR="$here/tmp"
echo $$ >"$here/pid"
exec nsenter --net="/run/netns/$name" \
    unshare --mount --uts --pid --fork --kill-child sh "$(dirname "$0")/host-init.sh" "$name" "$here"
