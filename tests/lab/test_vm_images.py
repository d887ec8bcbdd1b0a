"""Virtual machines that boot what a user brings: disks, ISOs, kernels; in a lab without Neutron."""

from __future__ import annotations

import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakevm import tool
from fakevm.testing.labs import Lab, Labs
from fakevm.vm import archive, tiny

from .conftest import until

pytestmark = pytest.mark.slow

MAC = "02:00:00:00:0a:01"
# A PC's boot sector: it says its words at the first serial port, a byte each, and halts.
SAYS = bytes.fromhex("fa 31c0 8ed8 be167c baf803 ac 84c0 7403 ee ebf8 f4 ebfd")
ALL_MODULES = "#!/bin/sh\nwhile read -r name; do insmod /lib/modules/$name.ko; done </etc/fakevm/modules\n"
FILE = """\
neutron: false
hosts: {{host1: {{}}, host2: {{}}}}
images: {{raw: {folder}/raw.img, cow: {folder}/cow.qcow2, data: {folder}/data.img, cd: {folder}/cd.iso}}
guests:
  raw1: {{kind: vm, host: host1, image: raw, limits: {{memory: 64M}}}}
  cd1: {{kind: vm, host: host1, image: cd, limits: {{memory: 64M}}}}
  cow1:
    kind: vm
    host: host1
    image: cow
    limits: {{memory: 64M}}
    machine: {{disk: sata, nic: e1000}}
    interfaces: {{eth0: {{}}}}
  own1:
    kind: vm
    host: host1
    image: data
    limits: {{memory: 128M}}
    interfaces: {{left: {{mac: "{mac}", addresses: [10.9.0.1/24]}}}}
    machine:
      kernel: {kernel}
      initrd: {folder}/initrd
      cmdline: quiet
      access: console
      password: secret
      seed: {{user_data: "#cloud-config\\n# what it is to do"}}
  fake1: {{host: host2, interfaces: {{eth1: {{addresses: [10.9.0.2/24]}}, eth2: {{}}}}}}
links: {{core: "own1:left -- fake1:eth1", other: "cow1:eth0 -- fake1:eth2"}}
checks:
  to it: {{kind: ping, from: fake1, to: own1, within: 120s}}
  from it: {{kind: ping, from: own1, to: fake1, within: 120s}}
  nobody gets in: {{kind: command, from: raw1, run: "true"}}
"""


def boot_sector(words: str) -> bytes:
    assert len(SAYS) == 0x16
    return (SAYS + words.encode() + b"\0").ljust(510, b"\0") + b"\x55\xaa"


def iso(code: bytes) -> bytes:
    """Write a CD that begins: ISO 9660's descriptors, and El Torito's record and catalogue, a sector each."""
    first, end = (mark.ljust(2048, b"\0") for mark in (b"\1CD001\1", b"\xffCD001\1"))
    record = b"\0CD001\1" + b"EL TORITO SPECIFICATION".ljust(64, b"\0") + struct.pack("<I", 19)
    head = struct.pack("<BBH24sH", 1, 0, 0, b"", 0) + b"\x55\xaa"
    total = -sum(struct.unpack("<16H", head)) & 0xFFFF
    catalogue = head[:28] + struct.pack("<H", total) + head[30:] + struct.pack("<BBHBBHI", 0x88, 0, 0, 0, 0, 4, 20)
    parts = [first, record, end, catalogue, code]
    return bytes(16 * 2048) + b"".join(part.ljust(2048, b"\0") for part in parts)


def initrd(folder: Path) -> bytes:
    """A machine as users bring one: it has no shell for us, and asks at its console who one is."""
    hashed = subprocess.run(["openssl", "passwd", "-6", "secret"], capture_output=True, text=True, check=True).stdout
    lines = ["::sysinit:/etc/all", "::sysinit:/etc/rcS", "ttyS0::respawn:/bin/busybox getty -L 115200 ttyS0 vt100"]
    own = archive.packed([
        archive.file("etc/all", ALL_MODULES, 0o755),
        archive.file("etc/inittab", "".join(f"{line}\n" for line in lines)),
        archive.file("etc/hostname", "own\n"),
        archive.file("etc/passwd", f"root:{hashed.strip()}:0:0:root:/root:/bin/sh\n"),
        archive.file("etc/fakevm/interfaces", f"{MAC} ens7 1500 static 0 10.9.0.1/24\n"),
        archive.file("etc/fakevm/sysctl", ""),
    ])  # fmt: skip
    return tiny.made(folder).archive.read_bytes() + own


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    made = tmp_path_factory.mktemp("images")
    (made / "raw.img").write_bytes(boot_sector("raw has begun\r\n").ljust(1 << 20, b"\0"))
    (made / "cd.iso").write_bytes(iso(boot_sector("cd has begun\r\n")))
    (made / "data.img").write_bytes(b"the image's own".ljust(1 << 20, b"\0"))
    (made / "cow.raw").write_bytes(boot_sector("cow has begun\r\n").ljust(1 << 20, b"\0"))
    found = tool.find("qemu")
    convert = [*found.command("qemu-img"), "convert", "-c", "-O", "qcow2", "cow.raw", "cow.qcow2"]
    subprocess.run(convert, check=True, cwd=made)
    (made / "initrd").write_bytes(initrd(made))
    return made


@pytest.fixture(scope="module")
def lab(own_labs: Labs, folder: Path) -> Lab:
    kernel = tiny.made(folder).kernel
    return own_labs.up_from("images", FILE.format(folder=folder, kernel=kernel, mac=MAC))


def inside(lab: Lab, line: str, *words: str) -> str:
    return lab.fakevm("exec", *words, "own1", "--", "sh", "-c", line).stdout.strip()


def says(lab: Lab, guest: str) -> str:
    return lab.fakevm("guest", "log", guest).stdout


def test_a_disk_begins_by_itself(lab: Lab) -> None:
    until(lambda: "raw has begun" in says(lab, "raw1"))
    until(lambda: "cow has begun" in says(lab, "cow1"))
    until(lambda: "cd has begun" in says(lab, "cd1"))


def test_a_kernel_of_ones_own_is_logged_in_to(lab: Lab) -> None:
    checked = lab.fakevm("check")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "nobody gets into raw1" in checked.stdout
    assert lab.fakevm("check", "--invert").returncode == 1
    assert inside(lab, "hostname") == inside(lab, "hostname", "--remote") == "own"
    assert inside(lab, "echo $0; exit 0") == "sh"
    assert lab.fakevm("exec", "own1", "--", "sh", "-c", "exit 7").returncode == 7
    assert lab.fakevm("exec", "own1", "--", "cat", input="fed\n").stdout == "fed\n"
    (seen,) = (row for row in lab.told("guest", "list") if row["name"] == "own1")
    assert "10.9.0.1/24" in str(seen["interfaces"])


def test_nobody_gets_into_a_machine_of_which_nothing_is_said(lab: Lab) -> None:
    tried = lab.fakevm("exec", "raw1", "--", "true")
    assert tried.returncode != 0
    assert "no way into it" in tried.stderr


def test_it_finds_its_seed(lab: Lab) -> None:
    for words in ("CIDATA", "what it is to do", "10.9.0.1/24"):
        assert inside(lab, f"grep -a -o -m 1 '{words}' /dev/vdb1 | head -n 1") == words


def test_its_disk_outlives_it_and_goes_along_and_the_image_is_not_written(lab: Lab, folder: Path) -> None:
    before = (folder / "data.img").read_bytes()
    assert inside(lab, "head -c 15 /dev/vda") == "the image's own"
    assert (
        inside(lab, "printf 'what I wrote...' | dd of=/dev/vda conv=notrunc 2>/dev/null; sync; head -c 15 /dev/vda")
        == "what I wrote..."
    )
    for host in ("host2", "host1"):
        inside(lab, f"echo {host} >/tmp/kept")
        moved = lab.fakevm("migrate", host, "own1")
        assert moved.returncode == 0, moved.stderr
        assert inside(lab, "cat /tmp/kept; head -c 15 /dev/vda").split("\n") == [host, "what I wrote..."]
    assert lab.fakevm("guest", "reboot", "own1").returncode == 0
    assert inside(lab, "ls /tmp/kept 2>/dev/null; head -c 15 /dev/vda") == "what I wrote..."
    assert (folder / "data.img").read_bytes() == before


def test_an_image_that_changes_under_a_disk_is_told(lab: Lab, folder: Path) -> None:
    (folder / "raw.img").write_bytes((folder / "raw.img").read_bytes() + bytes(1 << 20))
    tried = lab.fakevm("guest", "reboot", "raw1")
    assert tried.returncode != 0
    assert "has changed since" in tried.stdout + tried.stderr
