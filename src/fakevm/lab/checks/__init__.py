"""Runs a lab file's checks in a lab that runs."""
