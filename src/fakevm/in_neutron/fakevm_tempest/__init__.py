"""Tempest, run so that its results can be read one by one. It runs in Tempest's own environment.

It imports nothing of FakeVM's, and what it writes to standard output are lines of JSON.
"""
