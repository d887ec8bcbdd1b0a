"""FakeVM: tests OpenStack Neutron without Nova."""

__version__ = "0.2.0"
