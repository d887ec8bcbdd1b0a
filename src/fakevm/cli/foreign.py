"""Words of other tools, and what does here what they do there."""

from __future__ import annotations

from collections.abc import Container

# A word: our command lines that do it, each with what it does. One that is a command of ours is not looked up here.
Ways = tuple[tuple[str, str], ...]

_LAB_UP = ("lab up FILE", "starts a lab")
_LAB_DOWN = ("lab down", "ends a lab")
_STATUS = ("lab status", "shows a lab's programs and agents")
_LIST = ("list", "lists the guests")
_SHOW = ("show GUEST", "shows one guest")
_CREATE = ("create-port NETWORK NAME --host HOST", "makes a guest")
_DELETE = ("delete-port GUEST", "deletes a guest")
_SHELL = ("exec -t GUEST bash", "gives a shell in a guest")
_SSH = ("ssh GUEST", "logs in to a guest")
_SSH_CONFIG = ("ssh-config", "writes a file with which scp, sftp and rsync reach guests")
_IN_GUEST = ("exec GUEST COMMAND", "runs a command in a guest")
_ON_HOST = ("lab exec HOST -- COMMAND", "runs a command on a host")
_LOGS = ("lab logs PROGRAM -f", "shows what a program wrote")
_HOST_STOP = ("host stop HOST", "shuts a host down")
_HOST_START = ("host start HOST", "starts a host again")
_PROGRAM_STOP = ("lab stop PROGRAM", "stops one program of a lab")
_PROGRAM_START = ("lab start PROGRAM", "starts one program of a lab again")
_PROGRAM_RESTART = ("lab restart PROGRAM", "restarts one program of a lab")
_APPLY = ("lab apply FILE", "brings a lab that runs to an edited file")
_EXPORT = ("lab export", "writes the lab file of what runs")
_PLUG = ("plug GUEST --host HOST", "plugs a port on a host")
_UNPLUG = ("unplug GUEST --host HOST", "unplugs a guest's port")
_CUT = ("host cut HOST", "takes a host's network away")
_CAPTURE = ("capture POINT", "shows the packets at a guest's interface, a link, or a host's device")
_GRAPH = ("graph", "draws a lab, or a lab file")
_GUEST_STOP = ("guest stop GUEST", "stops a guest")
_GUEST_START = ("guest start GUEST", "starts a guest that was stopped")
_GUEST_REBOOT = ("guest reboot GUEST", "reboots a guest")
_ATTACH = ("interface attach GUEST --network NETWORK", "gives a guest an interface more")
_DETACH = ("interface detach GUEST INTERFACE", "takes an interface from a guest")
_MOVE = ("migrate HOST GUEST", "moves a guest to a host")
_OPENSTACK = ("lab env", 'makes a shell\'s own `openstack` client work with the lab: eval "$(fakevm lab env)"')

FOREIGN: dict[str, Ways] = {
    # containerlab, Vagrant, Docker and its compose, Mininet, Terraform, kubectl, virsh, and Unix
    "deploy": (_LAB_UP, _APPLY),
    "up": (_LAB_UP,),
    "run": (_LAB_UP, _IN_GUEST),
    "start": (_LAB_UP, _GUEST_START, _HOST_START, _PROGRAM_START),
    "boot": (_CREATE, _GUEST_START, _HOST_START),
    "launch": (_CREATE, _LAB_UP),
    "add": (_CREATE, _APPLY),
    "init": (("lab init TEMPLATE", "writes a lab file to begin with"),),
    "apply": (_APPLY,),
    "plan": (("lab apply FILE --dry-run", "shows what would change"),),
    "diff": (("lab diff", "compares a lab with its file"), ("lab apply FILE --dry-run", "shows what would change")),
    "save": (_EXPORT,),
    "export": (_EXPORT,),
    "validate": (("lab validate FILE", "tells all that is wrong with a lab file"),),
    "destroy": (_LAB_DOWN, _DELETE),
    "down": (_LAB_DOWN, ("host down HOST", "ends a host that was built without a lab")),
    "rm": (_DELETE, _LAB_DOWN),
    "remove": (_DELETE, _LAB_DOWN),
    "stop": (_LAB_DOWN, _GUEST_STOP, _HOST_STOP, _PROGRAM_STOP),
    "halt": (_LAB_DOWN, _GUEST_STOP, _HOST_STOP),
    "kill": (("host kill HOST", "ends a host as a power cut does"), _LAB_DOWN),
    "restart": (_PROGRAM_RESTART, _GUEST_REBOOT, _HOST_STOP, _HOST_START),
    "reload": (_PROGRAM_RESTART, _APPLY),
    "reboot": (_GUEST_REBOOT, _HOST_STOP, _HOST_START),
    "ls": (_LIST, ("lab list", "lists the labs"), ("host list", "lists the hosts")),
    "ps": (_LIST, _STATUS),
    "status": (_STATUS, _LIST),
    "top": (_STATUS,),
    "inspect": (_STATUS, _SHOW),
    "info": (_STATUS, _SHOW),
    "describe": (_SHOW, _STATUS),
    "get": (_LIST, _SHOW),
    "dump": (_STATUS, _EXPORT),
    "draw": (_GRAPH, ("migrate HOST GUEST --report FILE.html", "draws a migration")),
    "topology": (_GRAPH, _STATUS),
    "console": (_SHELL, _SSH, _ON_HOST),
    "shell": (_SHELL, _SSH, _ON_HOST),
    "bash": (_SHELL, _SSH, _ON_HOST),
    "scp": (_SSH_CONFIG,),
    "sftp": (_SSH_CONFIG,),
    "rsync": (_SSH_CONFIG,),
    "cp": (_SSH_CONFIG,),
    "ansible": (("inventory", "writes an inventory for Ansible"),),
    "attach": (_ATTACH, _PLUG, _SHELL),
    "detach": (_DETACH, _UNPLUG),
    "connect": (_ATTACH, _PLUG, ("host join HOST", "gives a host its network back"), _SHELL),
    "disconnect": (_DETACH, _UNPLUG, _CUT),
    "logs": (_LOGS,),
    "log": (_LOGS,),
    "ping": (("exec GUEST -- ping ADDRESS", "pings from a guest"), ("check", "runs the checks of the lab file")),
    "pingall": (("check", "runs the checks of the lab file"),),
    "iperf": (
        ("exec GUEST -- iperf3 -c ADDRESS", "measures from a guest"),
        ("check", "runs the checks of the lab file"),
    ),
    "test": (("check", "runs the checks of the lab file"),),
    "verify": (("check", "runs the checks of the lab file"), ("lab validate FILE", "tells what is wrong with a file")),
    "tcpdump": (_CAPTURE,),
    "wireshark": (("capture POINT | wireshark -k -i -", "shows packets in Wireshark as they come"),),
    "move": (_MOVE,),
    "evacuate": (("migrate --all --host HOST", "empties a host"),),
    "env": (_OPENSTACK,),
    "openrc": (_OPENSTACK,),
    "network": (_OPENSTACK,),
    "subnet": (_OPENSTACK,),
    "router": (_OPENSTACK,),
    "port": (_CREATE, _LIST, _OPENSTACK),
    "server": (_CREATE, _LIST),
    "vm": (_CREATE, _LIST),
    "agent": (_STATUS, _OPENSTACK),
    "install": (("release install VERSION", "installs a Neutron"), ("doctor", "tells what this machine lacks")),
    "version": (("--version", "tells FakeVM's version"), ("release list", "lists the Neutrons")),
    "setup": (("doctor", "tells what this machine lacks"),),
}


def ways(word: str, commands: Container[str]) -> str:
    """Say what does here what ``word`` does elsewhere, a line each; empty for a word that nobody knows.

    Only ``commands`` that there are are named.
    """
    return "\n".join(f"`fakevm {line}` {does}" for line, does in FOREIGN.get(word, ()) if command_of(line, commands))


def command_of(line: str, commands: Container[str]) -> str:
    """Give the command that a line begins with; empty when there is none."""
    words = line.split()
    if words[0].startswith("--"):
        return words[0]
    return next((name for name in (" ".join(words[:2]), words[0]) if name in commands), "")
