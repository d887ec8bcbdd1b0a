"""Measurements of FakeVM. What is compared is measured side by side, in one run."""
