"""A backend for FakeVM: a Linux bridge and a VXLAN device for each network."""
