"""Programs beside FakeVM's and Neutron's: the machine's own, or Debian's packages in a folder that nobody else uses."""

from __future__ import annotations

from .catalogue import TOOLS, Tool, of
from .finding import Found, find, folders, look
from .install import install, remove

__all__ = ["TOOLS", "Found", "Tool", "find", "folders", "install", "look", "of", "remove"]
