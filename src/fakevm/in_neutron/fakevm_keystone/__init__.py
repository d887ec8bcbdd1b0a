"""A lab's Keystone: who is known to it is made known, then it is served. It runs in Keystone's own environment.

It imports nothing of FakeVM's, and of Keystone what an operator's scripts would.
"""
