"""From a lab file's networks, routers and guests to Neutron's resources, and to guests that run."""
