"""Packets of a lab, seen at several points at once."""
