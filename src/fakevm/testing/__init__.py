"""For tests of backends and of what runs on Neutron: labs as pytest fixtures, and the contract of a backend.

``fixtures`` is a pytest plugin; ``contracts`` has test classes to be derived from. Only here may pytest be imported.
"""
