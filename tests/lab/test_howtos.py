"""The how-to guides: their commands, word for word, in one shell for each page (the README's tour: test_tour.py)."""

from __future__ import annotations

from pathlib import Path

import pytest

from . import pages
from .conftest import Lab, Labs

HOWTOS = pages.ROOT / "docs/howto"
# What these say cannot be done on one machine, or has a test of its own.
ELSEWHERE = {"real-hosts.md", "install.md", "tempest.md"}
# Needs no lab of its own.
QUICK = HOWTOS / "openstack-client.md"
SLOW = sorted(page for page in HOWTOS.glob("*.md") if page.name not in ELSEWHERE and page != QUICK)


@pytest.mark.slow
@pytest.mark.parametrize("page", SLOW, ids=lambda page: page.stem)
def test_a_guide_goes_as_it_says(page: Path, labs: Labs, tmp_path: Path) -> None:
    pages.run(page, tmp_path, labs, timeout=5400)


def test_the_openstack_client_goes_as_its_guide_says(lab: Lab, tmp_path: Path) -> None:
    try:
        shown = pages.run(QUICK, tmp_path, lab.labs, timeout=900)
    finally:
        lab.remove_network("net")
    assert "neutron-openvswitch-agent" in shown


def test_a_page_becomes_a_script(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "Text\n```yaml\n# my/lab.yaml\nname: x\n```\n<!-- before: echo prepared -->\n```sh\necho 1 'two'\n"
        "false    # exit status 1\nsh -c 'echo no; exit 3'   # SomeException: 400 … no\n"
        "fakevm lab logs x -f\n```\n```python\nprint(2)\n```\n"
    )
    script = pages.script(page, tmp_path)
    assert (tmp_path / "my/lab.yaml").read_text() == "# my/lab.yaml\nname: x\n"
    assert script.splitlines()[-10:] == [
        "",
        "echo prepared",
        "echo 1 'two'",
        "fails '1' '' 'false'",
        "fails '' 'no' 'sh -c '\\''echo no; exit 3'\\'''",
        "until_interrupted fakevm lab logs x -f",
        "",
        "python <<'END OF PYTHON'",
        "print(2)",
        "END OF PYTHON",
    ]


def test_a_failure_that_does_not_come_is_a_failure(tmp_path: Path, labs: Labs) -> None:
    page = tmp_path / "page.md"
    commands = (
        "false",
        "true   # exit status 1",
        "sh -c 'exit 2'   # exit status 1",
        "false   # SomeException: … words",
    )
    for number, command in enumerate(commands):
        folder = tmp_path / str(number)
        folder.mkdir()
        page.write_text(f"```sh\n{command}\n```\n")
        with pytest.raises(AssertionError, match="exit status 1"):
            pages.run(page, folder, labs, timeout=60)
