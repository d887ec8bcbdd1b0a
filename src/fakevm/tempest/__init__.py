"""OpenStack's own test suite, Tempest, with Neutron's plugin for it, run in a lab that has Keystone (ADR 0063)."""
