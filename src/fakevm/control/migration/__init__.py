"""Moving fake VMs from host to host, and repairing moves that were cut short."""
