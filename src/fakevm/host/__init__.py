"""Emulated hosts: namespaces, links and programs of a machine within the machine.

A lab makes its hosts of them, and so does the agent by itself on a machine without a lab
(``enable_multi_node_emulate``).
"""
