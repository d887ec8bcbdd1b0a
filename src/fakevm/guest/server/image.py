"""What a cloud's image has: its user, who may do all by sudo, an ssh server, and a shell that takes bash's words.

A root file system of a user's own is taken as it is, but for the user: its ssh server has its own configuration.
"""

from __future__ import annotations

import shlex

from .inside import Inside

_SSHD_CONFIG = """\
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
UseDNS no
PrintMotd no
PrintLastLog no
AcceptEnv LANG LC_*
SetEnv PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
MaxSessions 100
MaxStartups 100
Subsystem sftp internal-sftp
"""
# Arguments: the user, his groups, his shell (empty: bash, if there is one). "*" is a password that nobody can give;
# with "!" the account itself would be locked for an sshd without PAM.
_ADD_USER = r"""
user=$1 groups=$2 shell=$3
if ! grep -q "^$user:" /etc/passwd; then
    id=1000
    while grep -q "^[^:]*:[^:]*:$id:" /etc/passwd /etc/group; do id=$((id + 1)); done
    [ "$shell" ] || { shell=/bin/sh; [ ! -x /bin/bash ] || shell=/bin/bash; }
    echo "$user:x:$id:$id::/home/$user:$shell" >>/etc/passwd || exit
    echo "$user:x:$id:" >>/etc/group
    [ ! -e /etc/shadow ] || echo "$user:*:1:0:99999:7:::" >>/etc/shadow
fi
for group in $groups; do
    grep -q "^$group:" /etc/group || echo "$group:x:$((2000 + $(wc -l </etc/group))):" >>/etc/group
    sed -i -e "/^$group:/{/[:,]$user\(,\|\$\)/!s/\$/,$user/;s/:,/:/}" /etc/group
done
home=$(sed -n "s/^$user:[^:]*:[^:]*:[^:]*:[^:]*:\([^:]*\):.*/\1/p" /etc/passwd)
ids=$(sed -n "s/^$user:[^:]*:\([^:]*:[^:]*\):.*/\1/p" /etc/passwd)
[ -d "$home" ] || {
    mkdir -p "$home" && { [ ! -d /etc/skel ] || cp -R /etc/skel/. "$home"; } && chmod 755 "$home" &&
        chown -R "$ids" "$home"
}
"""
# Arguments: the user, what he may do.
_MAY_ALL = r"""
[ -e /etc/sudoers ] || (umask 337 && printf 'root ALL=(ALL:ALL) ALL\n@includedir /etc/sudoers.d\n' >/etc/sudoers)
mkdir -p /etc/sudoers.d && (umask 337 && printf '%s %s\n' "$1" "$2" >"/etc/sudoers.d/90-$1.new") &&
    mv -f "/etc/sudoers.d/90-$1.new" "/etc/sudoers.d/90-$1"
"""
# Arguments: the user, a key on each line of standard input. Those that are there stay.
_LET_IN = r"""
user=$1
home=$(sed -n "s/^$user:[^:]*:[^:]*:[^:]*:[^:]*:\([^:]*\):.*/\1/p" /etc/passwd)
ids=$(sed -n "s/^$user:[^:]*:\([^:]*:[^:]*\):.*/\1/p" /etc/passwd)
[ "$home" ] || { echo "there is no user $user"; exit 1; }
umask 077 && mkdir -p "$home/.ssh" && touch "$home/.ssh/authorized_keys" || exit
while read -r key; do
    grep -qxF "$key" "$home/.ssh/authorized_keys" || echo "$key" >>"$home/.ssh/authorized_keys"
done
chown "$ids" "$home/.ssh" "$home/.ssh/authorized_keys"
"""
# Scripts of tests take bash's words for those of sh (`&>`), and ncat's for those of nc.
_OF_THE_MACHINE = r"""
if [ -x /bin/bash ]; then ln -sf bash /bin/sh; fi
if ncat=$(command -v ncat); then ln -sf "$ncat" /usr/local/bin/nc; fi
mkdir -p /etc/ssh && rm -rf /etc/ssh/sshd_config.d && cat >/etc/ssh/sshd_config
"""
# As on an image that boots for the first time: a key of its own, and its name, without which sudo waits for a DNS.
_BOOT = r"""
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
name=$(cat /proc/sys/kernel/hostname)
grep -qw -e "$name" /etc/hosts || echo "127.0.1.1 $name" >>/etc/hosts
sshd=$(command -v sshd) || { echo "there is no sshd here, so nobody logs in: apt-get install openssh-server"; exit 1; }
mkdir -p /run/sshd
[ -e /etc/ssh/ssh_host_ed25519_key ] || ssh-keygen -q -t ed25519 -N "" -C "" -f /etc/ssh/ssh_host_ed25519_key || exit
[ -e /etc/ssh/ssh_host_ecdsa_key ] || ssh-keygen -q -t ecdsa -N "" -C "" -f /etc/ssh/ssh_host_ecdsa_key || exit
exec "$sshd"
"""
_ALL = "ALL=(ALL) NOPASSWD:ALL"


def boot(inside: Inside, user: str, *, of_the_machine: bool) -> str:
    """Have the guest be as its image is, and its ssh server listen; says what went wrong, or nothing.

    :param of_the_machine: it has the machine's programs, and no root file system of its own
    """
    script = f"{_words(_ADD_USER, user, '', '')}\n{_words(_MAY_ALL, user, _ALL)}\n"
    if of_the_machine:
        script += f"cat <<'END' | {_words(_OF_THE_MACHINE)}\n{_SSHD_CONFIG}END\n"
    _, said = inside.run(["sh", "-c", f"{script}{_words(_BOOT)}"])
    return said


def let_in(inside: Inside, user: str, keys: list[str]) -> str:
    """Let who has one of these SSH keys log in as a user; says why not, or nothing."""
    lines = "".join(f"{key}\n" for key in keys)
    return inside.do(["sh", "-c", _LET_IN, "sh", user], lines.encode()) if keys else ""


def add_user(inside: Inside, user: str, *, groups: list[str], shell: str, sudo: list[str]) -> str:
    """Add a user, who may do by sudo what the lines say (sudoers(5)); says why not, or nothing."""
    problem = inside.do(["sh", "-c", _ADD_USER, "sh", user, " ".join(groups), shell])
    for line in sudo:
        problem = problem or inside.do(["sh", "-c", _MAY_ALL, "sh", user, line])
    return problem


def _words(script: str, *arguments: str) -> str:
    return shlex.join(["sh", "-c", script, "sh", *arguments])
