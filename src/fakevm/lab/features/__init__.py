"""What a lab file needs of its backend, and the lab that is left of it without what the backend lacks (ADR 0022)."""
