"""What every backend, and every kind of guest, must do, as test classes.

Derive from them where pytest finds it, and say the backend's name::

    from fakevm.testing.contracts import DescriptionContract, LabContract

    class TestDescription(DescriptionContract):
        backend = "my-backend"

    class TestLab(LabContract):
        backend = "my-backend"

    class TestGuest(GuestContract):
        name = "my-kind"
"""

from .description import DescriptionContract
from .features import FeatureContract
from .guest import GuestContract
from .lab import LabContract
from .plugging import PlugContract

__all__ = ["DescriptionContract", "FeatureContract", "GuestContract", "LabContract", "PlugContract"]
