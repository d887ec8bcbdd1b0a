"""Kernels that a user brings: which machines they are for (Linux: arch/x86/boot.rst, arch/arm64/booting.rst; ELF)."""

from __future__ import annotations

from pathlib import Path

from fakevm.errors import InvalidInput

_X86 = (3, 62)  # EM_386, EM_X86_64


def seen(file: Path) -> Path:
    """Look at a kernel; gives it. Raises InvalidInput: QEMU cannot start it on an x86-64 machine."""
    try:
        with file.open("rb") as opened:
            head = opened.read(0x210).ljust(0x210, b"\0")
    except OSError as exc:
        raise InvalidInput(f"the kernel {file} cannot be read: {exc.strerror or exc}") from exc
    if head[:4] == b"\x7fELF":
        if int.from_bytes(head[18:20], "big" if head[5] == 2 else "little") in _X86:  # ELFDATA2MSB
            return file
        raise InvalidInput(f"the kernel {file} is for another architecture than x86-64")
    if head[0x38:0x3C] == b"ARM\x64" or head[0x30:0x33] == b"RIS":
        raise InvalidInput(f"the kernel {file} is for another architecture than x86-64")
    if head[0x202:0x206] != b"HdrS":
        raise InvalidInput(f"{file} is no kernel: a bzImage is expected, as vmlinuz mostly is")
    return file
