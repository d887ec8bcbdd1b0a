"""Frames that links must pass, and the program that sends and takes them in guests: ``frames.py take|send DEVICE…``.

Standard library only: guests run it with whichever Python the tests have.
"""

from __future__ import annotations

import json
import selectors
import socket
import struct
import sys
import time

_SOURCE = bytes.fromhex("021122334455")
_LLC_STP = bytes.fromhex("424203")
_SNAP = bytes.fromhex("aaaa03")


def _frame(target: str, kind: bytes, rest: bytes = b"") -> bytes:
    return bytes.fromhex(target) + _SOURCE + kind + rest


def _of_length(rest: bytes) -> bytes:
    return struct.pack("!H", len(rest)) + rest


# By name: frames of 802.1D, 802.1Q, 802.3 and of Cisco, up to where a payload follows.
FRAMES = {
    "STP": _frame("0180c2000000", _of_length(_LLC_STP + bytes(35))),
    "RSTP": _frame("0180c2000000", _of_length(_LLC_STP + bytes.fromhex("000002023c") + bytes(31))),
    "pause": _frame("0180c2000001", bytes.fromhex("8808"), bytes.fromhex("0001ffff")),
    "LACP": _frame("0180c2000002", bytes.fromhex("8809"), bytes.fromhex("0101")),
    "EAPOL": _frame("0180c2000003", bytes.fromhex("888e"), bytes.fromhex("01010000")),
    "LLDP": _frame("0180c200000e", bytes.fromhex("88cc"), bytes.fromhex("0207")),
    "PVST": _frame("01000ccccccd", _of_length(_SNAP + bytes.fromhex("00000c010b") + bytes(42))),
    "CDP": _frame("01000ccccccc", _of_length(_SNAP + bytes.fromhex("00000c2000") + bytes(30))),
    "VLAN": _frame("ffffffffffff", bytes.fromhex("8100a007"), bytes.fromhex("0800")),
    "QinQ": _frame("ffffffffffff", bytes.fromhex("88a8006481000007"), bytes.fromhex("0800")),
    "MPLS": _frame("ffffffffffff", bytes.fromhex("8847"), bytes.fromhex("00064140")),
    "unknown": _frame("ffffffffffff", bytes.fromhex("88b5")),
}
_MARK = b"fakevm:"

_ETH_P_ALL = 3
# linux/if_packet.h
_SOL_PACKET, _PACKET_AUXDATA, _OUTGOING = 263, 8, 4
_VLAN_VALID, _TPID_VALID = 1 << 4, 1 << 6


def marked(name: str) -> bytes:
    """Give a frame with its name as payload, as long as Ethernet wants it."""
    return (FRAMES[name] + _MARK + name.encode() + b":").ljust(64, b".")


def send(devices: list[str]) -> None:
    """Send every frame by each device, one by one."""
    for device in devices:
        with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0) as sock:
            sock.bind((device, 0))
            for name in FRAMES:
                sock.send(marked(name))


def take(devices: list[str]) -> None:
    """Print what comes by each device, whole and marked, a line each, until standard input ends; ``ready`` first."""
    with selectors.DefaultSelector() as waiting:
        for device in devices:
            sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL))
            sock.setsockopt(_SOL_PACKET, _PACKET_AUXDATA, 1)
            sock.bind((device, _ETH_P_ALL))
            waiting.register(sock, selectors.EVENT_READ, device)
        waiting.register(sys.stdin, selectors.EVENT_READ, None)
        print("ready", flush=True)
        while True:
            for key, _ in waiting.select():
                if key.data is None:
                    return
                frame = _taken(key.fileobj)  # type: ignore[arg-type]
                if frame and _MARK in frame:
                    name = frame.partition(_MARK)[2].partition(b":")[0].decode()
                    whole = name in FRAMES and frame == marked(name)
                    print(json.dumps([key.data, name, whole, time.time()]), flush=True)


def _taken(sock: socket.socket) -> bytes:
    """Take a frame that came; the kernel has its outermost tag beside it (packet(7), PACKET_AUXDATA)."""
    frame, beside, _, sender = sock.recvmsg(65535, socket.CMSG_SPACE(20))
    if sender[2] == _OUTGOING:
        return b""
    for level, kind, data in beside:
        if (level, kind) == (_SOL_PACKET, _PACKET_AUXDATA):
            status, _, _, _, _, tci, tpid = struct.unpack("IIIHHHH", data[:20])
            if status & _VLAN_VALID:
                tag = struct.pack("!HH", tpid if status & _TPID_VALID else 0x8100, tci)
                return frame[:12] + tag + frame[12:]
    return frame


if __name__ == "__main__":
    {"take": take, "send": send}[sys.argv[1]](sys.argv[2:])
