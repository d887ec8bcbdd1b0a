"""Services of Neutron's: those that FakeVM knows, and what of them each program is told."""
