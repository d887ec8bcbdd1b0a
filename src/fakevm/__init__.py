"""FakeVM: tests OpenStack Neutron without Nova."""

__version__ = "0.1.0"
