"""Options of Neutron's programs that a lab file gives: what the programs know, what is wrong, what they read."""
