#!/bin/sh
# Install Debian packages, as root, without starting a single daemon:  install-packages.sh PACKAGE...
set -eu
export DEBIAN_FRONTEND=noninteractive LC_ALL=C
policy=/usr/sbin/policy-rc.d
mine=
new_units=

services() { find /lib/systemd/system /etc/init.d -maxdepth 1 -type f 2>/dev/null | sort; }

finish() {
    status=$?
    trap - EXIT INT TERM
    if [ -n "$mine" ]; then rm -f "$policy"; fi
    exit "$status"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# invoke-rc.d asks this file whether it may start a daemon; 101 is no. An administrator's own stays as it is.
if [ ! -e "$policy" ]; then
    mine=yes
    printf '#!/bin/sh\n# made by FakeVM set-up for the time of an installation\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

before=$(services)

install() {
    # --no-remove: never take away what the machine's owner has installed.
    apt-get install --yes --no-install-recommends --no-remove \
        -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@"
}

refresh() {
    for pause in 5 15 0; do
        apt-get update -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 --error-on=any && return 0
        sleep "$pause"
    done
    return 1
}

# Package lists may be absent or stale; only then is it worth the time to fetch them.
install "$@" || { refresh && install "$@"; }

# A machine that boots systemd would start the new daemons next time. They are FakeVM's raw material, not its service.
if [ -d /run/systemd/system ]; then
    for file in $(services); do
        case $file in */systemd/system/*.service) ;; *) continue ;; esac
        case "
$before
" in *"
$file
"*) continue ;; esac
        new_units="$new_units ${file##*/}"
    done
    # shellcheck disable=SC2086 — a list of words
    [ -z "$new_units" ] || systemctl disable $new_units || true
fi
