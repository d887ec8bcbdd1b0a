"""Labs: lab file → plan → sandbox, services, hosts."""
