"""Guests that are virtual machines of QEMU: the kind ``vm``."""
