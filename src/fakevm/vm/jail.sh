#!/bin/sh
# jail.sh ROOT UID WRITABLE… : READABLE… : COMMAND…
# Becomes a command that sees these paths, the system's programs and libraries, and nothing else. ROOT is an empty
# folder. UID is whom it becomes, 0: it stays who it is, there is nobody else; with no privilege and no way to any.
# Run in a mount namespace of its own, with which all that is mounted here goes.
set -eu
PATH=$PATH:/usr/sbin:/sbin
root=$1 uid=$2
shift 2

show() { # PATH [ro]
    [ -e "$1" ] || return 0
    mkdir -p "$root${1%/*}"
    if [ -d "$1" ]; then mkdir -p "$root$1"; else : >>"$root$1"; fi
    mount --rbind "$1" "$root$1"
    [ -z "${2:-}" ] || mount -o remount,bind,ro "$root$1" 2>/dev/null || :
}

mount -t tmpfs -o mode=755,size=1M jail "$root"
for tree in bin sbin lib lib32 lib64 libx32; do
    if [ -L "/$tree" ]; then ln -s "$(readlink "/$tree")" "$root/$tree"; else show "/$tree" ro; fi
done
show /usr ro
show /etc/ld.so.cache ro
for device in null zero urandom kvm; do show "/dev/$device"; done
mkdir -p "$root/tmp" "$root/old"
chmod 1777 "$root/tmp"
while [ "$1" != : ]; do show "$1"; shift; done
shift
while [ "$1" != : ]; do show "$1" ro; shift; done
shift
show /proc
cd "$root"
pivot_root . old
umount -l /old /proc # it looks there for what is mounted
rmdir /old /proc
mount -o remount,ro /
cd /
[ "$uid" != 0 ] || exec setpriv --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"
# Whoever may use KVM.
if [ -e /dev/kvm ]; then groups=--groups=$(stat -c %g /dev/kvm); else groups=--clear-groups; fi
exec setpriv --reuid="$uid" --regid="$uid" "$groups" --no-new-privs --inh-caps=-all --bounding-set=-all -- "$@"
