"""What the supervisor starts in a program's place: asks a warmed process for the program, then waits with ``wait.sh``.

``python -ISE ask.py FOLDER COMMAND…``: FOLDER is where the warmed process of the program's environment listens, COMMAND
is what would start the program from scratch. So it is started where no warmed process is, comes in time, or can do it.

``ask.py --kept FOLDER COMMAND…`` asks one that is kept beyond labs (``keeper``) for a lab's own warmed process. It may
have ended for good, so nobody waits for another.

It imports as little as it can: it is started for each program.
"""

import array
import os
import socket
import sys
import time

# In the order in which they are sent, before the program's descriptors.
NAMESPACES = ("user", "pid", "net", "uts", "ipc", "mnt")
# Seconds for a warmed process that is not there, or still imports. One that is slow is better than none.
PATIENCE = 60.0
_PAUSE = 0.05
# Where a program has left, for its next start, why it cannot be forked (``options``): in the directory of its stub.
ANEW = "anew"
# The descriptor at which wait.sh finds the conversation.
_CONVERSATION = 9
# As many kinds of limits as the kernel has (asm-generic/resource.h, RLIM_NLIMITS).
_LIMITS = 16
_KEPT = "--kept"


class Refused(Exception):
    """The warmed process cannot do it, and why."""


def door(folder: int) -> str:
    """Name the socket in an open folder, in few enough bytes for the kernel (108), however deep the folder is."""
    return f"/proc/self/fd/{folder}/socket"


def inherited() -> "list[int]":
    """List the open descriptors that a program is started with: besides the first three, listening sockets."""
    found = []
    for number in range(_CONVERSATION):
        try:
            os.fstat(number)
        except OSError:
            continue
        found.append(number)
    return found


def note_group(leader: str) -> None:
    """Tell the supervisor which group of processes ends with the program; a helper's group ends with who started it.

    The file is there when a supervisor started us, or a program of his (``fakevm.linux.supervision``).
    """
    try:
        file = os.open("group", os.O_WRONLY | os.O_APPEND)
    except OSError:
        return
    os.write(file, f"{leader}\n".encode())
    os.close(file)


def said_before() -> str:
    """Give, once, what an earlier copy of the program said of why it cannot be forked; empty when it said nothing."""
    try:
        with open(ANEW) as file:
            why = file.read()
        os.unlink(ANEW)
    except OSError:
        return ""
    return why


def request(command: "list[str]", numbers: "list[int]") -> bytes:
    """Write down all that a program gets from who starts it, but for descriptors."""
    import json
    import resource

    umask = os.umask(0o077)
    os.umask(umask)
    told = {
        "argv": command,
        "environment": dict(os.environ),
        "directory": os.getcwd(),
        "umask": umask,
        "limits": [resource.getrlimit(number) for number in range(_LIMITS)],
        "numbers": numbers,
    }
    text = json.dumps(told).encode()
    return len(text).to_bytes(4, "big") + text


def ask(place: str, command: "list[str]", numbers: "list[int]", *, again: bool) -> socket.socket:
    """Ask for a program that is to have these descriptors; gives the conversation about it when it runs.

    ``again``: where nobody answers, another will come. Raises Refused.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        conversation = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        conversation.settimeout(max(1.0, deadline - time.monotonic()))
        try:
            conversation.connect(place)
            answer = _converse(conversation, command, numbers)
            if answer.startswith("started "):
                conversation.settimeout(None)
                note_group(answer.split()[1])
                return conversation
            if answer:
                raise Refused(answer)
            problem = "it ended"
        except OSError as exc:
            problem = str(exc)
        conversation.close()
        if not again:
            raise Refused(problem)
        if time.monotonic() > deadline:
            raise Refused(f"no answer within {PATIENCE:.0f} s: {problem}")
        time.sleep(_PAUSE)


def _converse(conversation: socket.socket, command: "list[str]", numbers: "list[int]") -> str:
    namespaces = [os.open(f"/proc/self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC) for kind in NAMESPACES]
    try:
        message = request(command, numbers)
        rights = (socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [*namespaces, *numbers]))
        sent = conversation.sendmsg([message], [rights])
        conversation.sendall(message[sent:])
    except BrokenPipeError:
        # It has answered before it has heard all, and so it refused.
        pass
    finally:
        for namespace in namespaces:
            os.close(namespace)
    answer = b""
    # No byte more than the line: what follows it is for wait.sh.
    while not answer.endswith(b"\n"):
        byte = conversation.recv(1)
        if not byte:
            return ""
        answer += byte
    return answer.decode(errors="replace").strip()


def main() -> None:
    """Become what waits for the program, or the program itself."""
    kept = sys.argv[1] == _KEPT
    folder, *command = sys.argv[2:] if kept else sys.argv[1:]
    numbers = inherited()
    try:
        if why := said_before():
            raise Refused(why)
        try:
            opened = os.open(folder, os.O_PATH | os.O_DIRECTORY)
        except FileNotFoundError:
            raise Refused("its environment has none") from None
        conversation = ask(door(opened), command, numbers, again=not kept)
    except Refused as refused:
        whom = "the kept one" if kept else "a warmed process"
        told = f"fakevm: {os.path.basename(command[0])} is started from scratch, not by {whom}: {refused}"
        print(told, file=sys.stderr, flush=True)
        os.execv(command[0], command)
    for number in numbers[3:]:
        os.set_inheritable(number, False)
    os.dup2(conversation.fileno(), _CONVERSATION)
    waiter = os.path.join(os.path.dirname(os.path.abspath(__file__)), "wait.sh")
    os.execv("/bin/sh", ["sh", waiter])


if __name__ == "__main__":
    main()
