"""FakeVM's own virtual environment, in the checkout."""

from __future__ import annotations

import hashlib
import subprocess
from pathlib import Path

from fakevm.release import environment

from steps import LOG, step

_CHECKOUT = Path(__file__).parent.parent
_VENV = _CHECKOUT / ".venv"
_CONSTRAINTS = _CHECKOUT / "setup" / "constraints-fakevm.txt"
_STAMP = _VENV / "complete"


def _fingerprint() -> str:
    """Tell what the environment depends on; the path, as a moved environment does not work."""
    parts = [(_CHECKOUT / "pyproject.toml").read_bytes(), _CONSTRAINTS.read_bytes(), str(_VENV).encode()]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def _stamp() -> str:
    try:
        return _STAMP.read_text().strip()
    except OSError:
        return ""


def _has_python() -> bool:
    """Tell whether the Python that the environment was made with is still there, and still the same version."""
    return environment.python_of(_VENV) is not None and (_VENV / "bin/python").exists()


def _is_usable() -> bool:
    """Tell whether an environment is there to be brought up to date, rather than made anew."""
    config = _VENV / "pyvenv.cfg"
    return bool(_stamp()) and _has_python() and str(_VENV) in config.read_text()


def install() -> None:
    """Bring the environment to what pyproject.toml and the constraints say.

    Raises CommandFailed, Prerequisite.
    """
    wanted = _fingerprint()
    if _stamp() != wanted or not _has_python():
        if not _is_usable():
            with step("Making FakeVM's virtual environment (.venv)"):
                environment.make(_VENV, LOG, environment.find_python())
        with step("Installing FakeVM and its libraries"):
            _STAMP.unlink(missing_ok=True)
            environment.pip_install(_VENV, ["--constraint", _CONSTRAINTS, "--editable", f"{_CHECKOUT}[dev]"], LOG)
            _STAMP.write_text(wanted + "\n")
    _compile()


def _compile() -> None:
    """Compile FakeVM, which pip does not where it leaves it in the checkout.

    Where PYTHONDONTWRITEBYTECODE is set each start of a command, and of an agent, would do it anew.
    """
    argv = [str(_VENV / "bin/python"), "-m", "compileall", "-q", str(_CHECKOUT / "src")]
    subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False)
