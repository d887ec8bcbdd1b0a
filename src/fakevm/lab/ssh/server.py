"""The server: one sshd for each connection, started in the guest, on the client's pipe (``sshd -i``). No port is open.

Nothing heavy may be imported here.
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from fakevm.errors import Prerequisite
from fakevm.lab import entrance
from fakevm.model.lab import LabRecord

from . import keys, refusal

PACKAGE = "openssh-server"
# The descriptor over which the guest's private key comes: it is in no argument, and no guest need see the lab's folder.
KEY_FD = 3
# Who has the lab's key is let in, and nobody else. No messages of the day, and no log of logins: that is the machine's.
# A connection may be shared by as many as want to (MaxSessions is 10 otherwise).
_OPTIONS = {
    "StrictModes": "no",
    "PermitRootLogin": "prohibit-password",
    "PasswordAuthentication": "no",
    "KbdInteractiveAuthentication": "no",
    "PrintMotd": "no",
    "PrintLastLog": "no",
    "UseDNS": "no",
    "MaxSessions": "1000",
    "PidFile": "none",
    "LogLevel": "ERROR",
    "AcceptEnv": "LANG LC_*",
    "Subsystem": "sftp internal-sftp",
}
# Arguments: the guest's mark; the key that is let in; what is told to the client when there is no sshd, and when no
# file can be written; sshd's options. Files are replaced in one step: others connect just now. After the first time the
# shell needs no program for what it does.
# A root whose password is locked ("!") is let in by PAM only. Where there is one user id (linux/seccomp.py), the user
# that sshd becomes while it does not know its client must be that one; and nobody can read /etc/shadow, for which
# systemd's module then says "!". Root's home may be the machine's root's, also where there are subordinate ids: then it
# is that of the user.
_SCRIPT = r"""
mark=$1 user_key=$2 missing=$3 unwritable=$4; shift 4
refuse() { printf "$1"; cat >/dev/null; exit 1; }
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
sshd=$(command -v sshd) || refuse "$missing"
here=/run/fakevm-ssh/$mark
known=
if [ -e "$here/users" ]; then read -r known <"$here/users"; fi
[ -d /run/sshd ] && [ -s "$here/key" ] && [ "$known" = "$user_key" ] || {
    mkdir -p /run/sshd "$here" &&
    { [ -s "$here/key" ] || (umask 077 && cat <&3 >"$here/key.$$" && mv -f "$here/key.$$" "$here/key"); } &&
    printf '%s\n' "$user_key" >"$here/users.$$" && mv -f "$here/users.$$" "$here/users"
} 2>/dev/null || refuse "$unwritable"
exec 3<&-
pam=no
while IFS=: read -r user password rest; do
    [ "$user" = root ] || continue
    case $password in !*) pam=yes ;; esac
    break
done 2>/dev/null </etc/shadow
set -- "$sshd" -i -e -f /dev/null -o HostKey="$here/key" -o AuthorizedKeysFile="$here/users" -o UsePAM=$pam "$@"
if [ "${PATH_DHCLIENT_DB-}" ]; then
    set -- "$@" -o "SetEnv=PATH_DHCLIENT_PID=$PATH_DHCLIENT_PID PATH_DHCLIENT_DB=$PATH_DHCLIENT_DB \
PATH_DHCLIENT6_PID=$PATH_DHCLIENT6_PID PATH_DHCLIENT6_DB=$PATH_DHCLIENT6_DB"
fi
read -r groups </proc/self/setgroups || groups=
if [ "$groups" = deny ] || { [ -d /root ] && [ ! -x /root ]; }; then
    home=/root
    [ -x /root ] || home=$HOME
    {
        sed -e '/^sshd:/d' -e "s|^\(root:.*:\)/root:|\1$home:|" /etc/passwd && echo sshd:x:0:0::/run/sshd:/bin/false
    } >"$here/passwd.$$" &&
    mv -f "$here/passwd.$$" "$here/passwd" && echo 'root:*:1:0:99999:7:::' >"$here/shadow" || exit
    [ -e /etc/shadow ] || : >/etc/shadow
    set -- "$@" -o AllowUsers=root
    exec unshare --mount sh -c 'for file in passwd shadow; do mount --bind "$0/$file" "/etc/$file"; done; exec "$@"' \
        "$here" "$@"
fi
exec "$@"
"""


def line(lab: LabRecord, host: str, guest_id: str, title: str) -> str:
    """Write the line for a shell that is a guest's server, on its standard input and output.

    Raises NotFound: there is no such guest, or it is stopped; LabFailed: its host does not run, or the keys cannot be
    made; Prerequisite.
    """
    argv = [*unhindered(lab), *entrance.enter_guest(lab, host, guest_id, program(lab, guest_id, title))]
    return f"{shlex.join(argv)} {KEY_FD}<{shlex.quote(str(keys.guest_key(lab, guest_id)))}"


def program(lab: LabRecord, guest_id: str, title: str) -> Sequence[str]:
    """Build the argv that is the server, in the guest; the guest's private key is what it reads from KEY_FD."""
    missing = f"there is no sshd in the guest {title}: apt-get install {PACKAGE}, or into the guest's root file system"
    unwritable = f"the guest {title} has no room in /run, or may not write there"
    told = (refusal.for_printf(missing), refusal.for_printf(unwritable))
    options = [word for name, value in _OPTIONS.items() for word in ("-o", f"{name}={value}")]
    return ["sh", "-c", _SCRIPT, "sshd", keys.mark(guest_id), keys.public_key(lab), *told, *options]


def unhindered(lab: LabRecord) -> list[str]:
    """Give the words before the server of a lab that has one user id only. Raises Prerequisite."""
    try:
        groups = Path(f"/proc/{lab.pid}/setgroups").read_text()
    except OSError:
        return []
    if groups != "deny\n":
        return []
    from fakevm.linux import seccomp

    try:
        seccomp.program(os.uname().machine)
    except KeyError as exc:
        raise Prerequisite(
            "sshd cannot run in an ordinary user's lab on this kind of machine",
            hint="`fakevm exec` can, and root's labs.",
        ) from exc
    return [sys.executable, "-I", "-S", str(Path(seccomp.__file__))]
