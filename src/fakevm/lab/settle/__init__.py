"""From a lab file as written to what will be made of it, and all that is known beforehand to be refused (ADR 0030)."""
