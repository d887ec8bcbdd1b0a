"""A warmed process of a lab: it has imported what Python programs of one environment import, and forks them.

It runs in Neutron's environment and in FakeVM's own, and needs the standard library alone. Its parts: ``ask`` and
``wait.sh`` are what the supervisor starts, ``server`` forks a ``shepherd`` for each that asks, whose child becomes the
``program`` (docs/adr/0034).
"""
