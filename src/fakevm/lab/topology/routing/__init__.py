"""From what a lab file says of routers to what runs in guests."""
