#!/bin/bash
# Run a command on a copy of this checkout in a fresh Debian, in namespaces of its own:  fresh-debian.sh SUITE COMMAND...
#
#     setup/fresh-debian.sh trixie make demo          # what `make debian13` does
#     setup/fresh-debian.sh trixie bash               # look around; the end of the shell is the end of it
#
# It has what a small installation has, git, make and python3; the network is the machine's. As root, with debootstrap.
# Only what was downloaded stays, in FAKEVM_CACHE (else /var/cache/fakevm); the rest ends with the command, or with us.
# The mirror, and how to get there, are the machine's own: apt's (DEBIAN_MIRROR=URL names another), pip's, certificates.
set -euo pipefail

checkout=$(cd "$(dirname "$0")/.." && pwd)
certificates=/etc/ssl/certs/ca-certificates.crt
# In the fresh Debian: root's home, the copy of the checkout, and what pip has downloaded.
home=/root
copy=/srv/fakevm
export PIP_CACHE_DIR=/var/cache/pip

fail() {
    printf 'fresh-debian: %s\n' "$*" >&2
    exit 1
}

# --- outside: the files

mirror() {
    # Debian's own archive among apt's sources, in whatever form these are written.
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 2>/dev/null | sed -n 's/^Debian|Debian|//p' | head -n 1
}

# Makes the base of a suite, once: a later one is a copy of it.
make_base() {
    if [ -d "$cache/base" ]; then return; fi
    from=${DEBIAN_MIRROR:-$(mirror)}
    [ -n "$from" ] || fail "apt's sources name no mirror of Debian; name one: DEBIAN_MIRROR=http://… $0 …"
    echo "A fresh Debian $suite, the first time: downloaded (its log: $cache/debootstrap.log)"
    rm -rf --one-file-system "$cache/base.new"
    # In namespaces too, as debootstrap mounts /proc.
    attend unshare --mount --pid --fork --kill-child \
        debootstrap --variant=minbase --include=ca-certificates,git,make,python3 --cache-dir="$cache/packages" \
        "$suite" "$cache/base.new" "$from" >"$cache/debootstrap.log" 2>&1 ||
        fail "debootstrap failed; the last words of $cache/debootstrap.log:"$'\n'"$(tail -n 5 "$cache/debootstrap.log")"
    mv "$cache/base.new" "$cache/base"
}

# Copies files and folders of the machine's to the same place, those that are there.
carry() {
    local path
    for path in "$@"; do
        if [ -e "$path" ]; then
            mkdir -p "$root${path%/*}"
            cp -rL "$path" "$root${path%/*}/"
        fi
    done
}

# Makes the folder that the command will see as /, in the place of what one that was killed has left.
fill() {
    rm -rf --one-file-system "$root"
    cp -a --reflink=auto "$cache/base" "$root"
    rm -f "$root/etc/resolv.conf" "$root/etc/hosts"
    carry /etc/resolv.conf /etc/hosts "$certificates" /etc/pip.conf /etc/xdg/pip
    if [ -d ~/.config/pip ]; then
        mkdir -p "$root$home/.config"
        cp -rL ~/.config/pip "$root$home/.config"
    fi
    # Proxies and the like.
    apt-config dump --format '%F "%v";%n' Acquire::http Acquire::https Acquire::Check-Valid-Until \
        >"$root/etc/apt/apt.conf.d/90machine" 2>/dev/null || true
    # It lives for minutes: a power failure may have it.
    echo force-unsafe-io >"$root/etc/dpkg/dpkg.cfg.d/90machine"
    mkdir -p "$root$copy" "$root/var/cache/apt/archives" "$root$PIP_CACHE_DIR"
    list_checkout | tar -C "$checkout" --create --null --files-from=- | tar -C "$root$copy" --extract
}

# Lists the files of the checkout as they are now: no matter what is committed.
list_checkout() {
    local file
    git -C "$checkout" -c safe.directory="$checkout" ls-files -z --cached --others --exclude-standard --deduplicate |
        while IFS= read -r -d '' file; do
            if [ -e "$checkout/$file" ]; then printf '%s\0' "$file"; fi
        done
}

# --- inside: process 1 of the new namespaces

# Gives what a container has of devices: those that are nobody's, terminals of its own, and Open vSwitch's tun.
make_devices() {
    local device
    mount -t tmpfs -o mode=755 devices dev
    mkdir dev/pts dev/shm dev/net
    for device in null zero full random urandom tty net/tun; do
        if [ -e "/dev/$device" ]; then
            : >"dev/$device"
            mount --bind "/dev/$device" "dev/$device"
        fi
    done
    mount -t devpts -o newinstance,ptmxmode=0666,mode=620 terminals dev/pts
    mount -t tmpfs -o mode=1777 shared dev/shm
    ln -s pts/ptmx dev/ptmx
    ln -s /proc/self/fd dev/fd
    ln -s /proc/self/fd/0 dev/stdin
    ln -s /proc/self/fd/1 dev/stdout
    ln -s /proc/self/fd/2 dev/stderr
}

# Makes a folder / and runs the command there. Arguments: the folder, the cache, the command.
enter() {
    local cache=$2
    mount --bind "$1" "$1"
    cd "$1"
    shift 2
    make_devices
    mount -t proc proc proc
    mount --rbind /sys sys
    mount -t tmpfs -o mode=755 run run
    mount -t tmpfs -o mode=1777 tmp tmp
    mount --bind "$cache/packages" var/cache/apt/archives
    mount --bind "$cache/pip" ".$PIP_CACHE_DIR"
    # More than chroot: in a chroot the kernel refuses user namespaces, and with them doctor and ordinary users' labs.
    mkdir machine
    pivot_root . machine
    cd /
    umount -l /machine
    rmdir /machine
    hostname debian
    cd "$copy"
    # Not exec: process 1 must wait for those whose parents have ended.
    "$@"
}

# Leaves the machine's choices of certificates, proxies and pip as they are, and takes away what is about other labs,
# clouds and Pythons.
clean_environment() {
    local name
    for name in $(compgen -e); do
        case $name in
            FAKEVM_* | OS_* | PYTHON* | VIRTUAL_ENV | XDG_* | MAKE* | MFLAGS | BASH_ENV | LC_* | TMPDIR) unset "$name" ;;
        esac
    done
    export HOME=$home USER=root LOGNAME=root SHELL=/bin/bash LANG=C.UTF-8
    export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
}

main() {
    [ $# -ge 2 ] || fail "usage: fresh-debian.sh SUITE COMMAND...   for example: fresh-debian.sh trixie make demo"
    [ "$(id -u)" = 0 ] || fail 'only root can install a Debian in a folder; run it as root'
    command -v debootstrap >/dev/null || fail 'debootstrap is not there: apt-get install debootstrap'
    suite=$1
    cache=${FAKEVM_CACHE:-/var/cache/fakevm}/debian/$suite
    shift
    mkdir -p "$cache/packages" "$cache/pip"
    root=$cache/root
    child='' locked=''
    trap end EXIT
    trap 'exit 129' HUP
    trap 'exit 130' INT
    trap 'exit 143' TERM
    # One at a time: they share what was downloaded.
    exec 9>"$cache/lock"
    flock --nonblock 9 || { echo "Waiting for another fresh Debian $suite to end" && attend flock 9; }
    locked=yes
    make_base
    fill
    clean_environment
    attend unshare --mount --propagation private --pid --uts --ipc --fork --kill-child \
        /bin/bash "$checkout/setup/fresh-debian.sh" --inside "$root" "$cache" "$@" 9>&-
}

# Runs a command in the background: with one in front bash would see to a signal only when that has ended.
attend() {
    local status=0
    setpriv --pdeathsig KILL "$@" <&0 &
    child=$!
    wait "$child" || status=$?
    child=''
    return "$status"
}

# The end of the namespaces' first process is that of all others, and of all mounts.
end() {
    if [ -n "$child" ]; then
        kill -KILL "$child"
        wait "$child" || true
    fi 2>/dev/null
    if [ -n "$locked" ]; then rm -rf --one-file-system "$root" "$cache/base.new"; fi
}

# All on lines that are read before any of it runs: this file may be edited meanwhile.
if [ "${1-}" = --inside ]; then
    shift
    enter "$@"
else
    main "$@"
fi; exit
