"""Brings a lab that runs to an edited lab file: first the difference, then what makes it so."""
