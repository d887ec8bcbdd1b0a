"""A receiver of the events that Neutron sends to Nova: it stands in for Nova's API as far as Neutron uses it."""
